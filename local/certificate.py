"""Creates a self-signed certificate for loopback, for clients and policies that require TLS."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID_FOR = datetime.timedelta(days=30)
"""Longer than a local stack runs."""
_CLOCK_SKEW_MAX = datetime.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The files of a self-signed certificate; clients trust `path` (AWS_CA_BUNDLE, verify=…)."""

    path: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """Create a certificate for 127.0.0.1 and localhost.

    Args:
        folder: folder for the two files; created if it does not exist.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    # Readable by the owner only, before the key is written.
    made.key.touch(mode=0o600)
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    made.path.write_bytes(_signed(key).public_bytes(serialization.Encoding.PEM))
    return made


def _signed(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "local stack of gameball-adjustments")])
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW_MAX)
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )

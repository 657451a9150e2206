"""The two keys of the Gameball account, read from Secrets Manager; no log, error or answer shows them."""

import hashlib
import json
import re
import threading
from typing import Any, Final, Protocol

from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider
from botocore.exceptions import ClientError

from adjustments.core.errors import AdjustmentsError, ConfigurationError, GameballUnavailable

CACHE_S: Final = 300
"""Seconds for which the keys are cached; refused ones are read again at once."""

FINGERPRINT_CHARS: Final = 8

_VISIBLE: Final = r"[!-~]+"
_OPERATOR_CODES: Final = frozenset(
    {"ResourceNotFoundException", "InvalidRequestException", "AccessDeniedException", "DecryptionFailure"}
)
"""AWS's codes where an operator has to act: secret gone or marked for deletion, or access denied."""


class Credentials:
    """The keys that every call to Gameball carries.

    Their text form shows neither. This is no tuple or dataclass, which a JSON encoder or logger would expand.
    """

    __slots__ = ("api_key", "secret_key")

    def __init__(self, api_key: str, secret_key: str) -> None:
        self.api_key: Final = api_key
        self.secret_key: Final = secret_key

    def __repr__(self) -> str:
        return "Credentials()"

    def fingerprint(self) -> str:
        """Return the beginning of the SHA-256 of the API key, which tells accounts apart and not the key."""
        return hashlib.sha256(self.api_key.encode()).hexdigest()[:FINGERPRINT_CHARS]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return (self.api_key, self.secret_key) == (other.api_key, other.secret_key)


class CredentialSource(Protocol):
    """The source of the keys.

    Raises:
        ConfigurationError: the secret is missing or malformed, or access to it is denied.
        GameballUnavailable: it can't be read for now; nothing was sent.
    """

    def current(self) -> Credentials:
        """Return the keys as last read."""

    def fresh(self) -> Credentials:
        """Read the keys again."""


class SecretCredentials:
    """Reads the keys from one secret: ``{"apiKey": "…", "secretKey": "…"}``."""

    def __init__(self, client: Any, secret: str) -> None:
        self._provider = SecretsProvider(boto3_client=client)
        self._secret = secret
        self._lock = threading.Lock()

    def current(self) -> Credentials:
        """See ``CredentialSource``."""
        try:
            return self._read(force=False)
        except ConfigurationError:
            return self._read(force=True)  # an operator may have corrected it meanwhile

    def fresh(self) -> Credentials:
        """See ``CredentialSource``."""
        return self._read(force=True)

    def _read(self, force: bool) -> Credentials:
        try:
            with self._lock:
                text = self._provider.get(self._secret, max_age=CACHE_S, force_fetch=force)
        except GetParameterError as error:
            raise _unreadable(self._secret, error.__context__) from None
        return read_credentials(self._secret, text)


def read_credentials(secret: str, text: object) -> Credentials:
    """Parse the secret.

    Args:
        secret: its name or ARN, for the error message.
        text: its value.

    Raises:
        ConfigurationError: it is malformed; the message shows nothing of the value.
    """
    try:
        fields = json.loads(str(text))
        keys = Credentials(fields["apiKey"], fields["secretKey"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ConfigurationError(
            f'the secret {secret} must be JSON like {{"apiKey": "…", "secretKey": "…"}}'
        ) from None
    if not (_is_sendable(keys.api_key) and _is_sendable(keys.secret_key)):
        raise ConfigurationError(
            f"the keys in the secret {secret} must be texts of visible ASCII characters, without blanks"
        )
    return keys


def _is_sendable(key: object) -> bool:
    """Whether a key can be sent as a header; the HTTP library's error about one that can't would show it."""
    return isinstance(key, str) and re.fullmatch(_VISIBLE, key) is not None


def _unreadable(secret: str, cause: BaseException | None) -> AdjustmentsError:
    code = cause.response.get("Error", {}).get("Code", "") if isinstance(cause, ClientError) else ""
    if code in _OPERATOR_CODES:
        return ConfigurationError(f"the secret {secret} can't be read: {code}")
    return GameballUnavailable(f"the secret can't be read ({code or type(cause).__name__}): nothing was sent")

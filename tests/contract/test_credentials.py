"""What every CredentialSource does: the fake in memory, and the secret."""

import json
import traceback
import uuid
from collections.abc import Callable

import pytest

from adjustments.core.errors import ConfigurationError, GameballUnavailable
from adjustments.gameball.credentials import Credentials, CredentialSource, SecretCredentials
from local.aws import Aws
from local.environment import REGION
from tests.fakes.memory import MemoryCredentials

GOOD = json.dumps({"apiKey": "api-1", "secretKey": "secret-1"})
BETTER = json.dumps({"apiKey": "api-2", "secretKey": "secret-2"})
HIDDEN = "hidden-value"
MALFORMED = [
    HIDDEN,
    f'{{"apiKey": "{HIDDEN}"',
    f'"{HIDDEN}"',
    f'["{HIDDEN}"]',
    "null",
    "7",
    "[" * 100_000,
    json.dumps({"apiKey": HIDDEN}),
    json.dumps({"secretKey": HIDDEN}),
    json.dumps({"apikey": HIDDEN, "secretkey": HIDDEN}),
    json.dumps({"apiKey": None, "secretKey": HIDDEN}),
    json.dumps({"apiKey": HIDDEN, "secretKey": 7}),
    json.dumps({"apiKey": "", "secretKey": HIDDEN}),
    json.dumps({"apiKey": [HIDDEN], "secretKey": HIDDEN}),
    json.dumps({"apiKey": f"{HIDDEN}\n", "secretKey": HIDDEN}),
    json.dumps({"apiKey": HIDDEN, "secretKey": f"{HIDDEN}\u2026"}),
    json.dumps({"apiKey": "not set yet", "secretKey": HIDDEN}),
]
"""The last one is what the template makes."""

Secret = tuple[CredentialSource, Callable[[str], None]]


@pytest.fixture
def secret(kind: str, request: pytest.FixtureRequest) -> Secret:
    """A source of good keys, and what changes its secret."""
    if kind == "memory":
        fake = MemoryCredentials(GOOD)
        return fake, lambda text: setattr(fake, "text", text)
    aws: Aws = request.getfixturevalue("aws")
    name = f"secret-{uuid.uuid4().hex}"
    aws.secrets.create_secret(Name=name, SecretString=GOOD)
    return SecretCredentials(aws.secrets, name), lambda text: put(aws, name, text)


def put(aws: Aws, name: str, text: str) -> None:
    aws.secrets.put_secret_value(SecretId=name, SecretString=text)


def missing(kind: str, request: pytest.FixtureRequest) -> CredentialSource:
    if kind == "memory":
        return MemoryCredentials(None)
    return SecretCredentials(request.getfixturevalue("aws").secrets, "there-is-none")


def test_credentials_are_read(secret: Secret):
    source, _ = secret
    assert source.current() == Credentials("api-1", "secret-1")
    assert source.fresh() == Credentials("api-1", "secret-1")


def test_credentials_are_cached_until_fresh_ones_are_read(secret: Secret):
    source, change = secret
    source.current()
    change(BETTER)
    assert source.current() == Credentials("api-1", "secret-1")
    assert source.fresh() == Credentials("api-2", "secret-2")
    assert source.current() == Credentials("api-2", "secret-2")


def test_credentials_ignore_further_fields_of_the_secret(secret: Secret):
    source, change = secret
    change(json.dumps({"note": None, "apiKey": "a", "secretKey": "s"}))
    assert source.fresh() == Credentials("a", "s")


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: text[:40])
def test_a_malformed_secret_is_a_configuration_error_that_shows_nothing_of_it(secret: Secret, text: str):
    source, change = secret
    change(text)
    with pytest.raises(ConfigurationError) as raised:
        source.fresh()
    assert HIDDEN not in "".join(traceback.format_exception(raised.value))


def test_a_malformed_secret_is_read_again_until_it_is_corrected(secret: Secret):
    source, change = secret
    change("malformed")
    for _ in range(2):
        with pytest.raises(ConfigurationError):
            source.current()
    change(GOOD)
    assert source.current() == Credentials("api-1", "secret-1")


def test_credentials_are_not_cached_past_a_malformed_secret(secret: Secret):
    source, change = secret
    source.current()
    change("malformed")
    with pytest.raises(ConfigurationError):
        source.fresh()
    with pytest.raises(ConfigurationError):
        source.current()


def test_a_missing_secret_is_a_configuration_error(kind: str, request: pytest.FixtureRequest):
    for read in (missing(kind, request).current, missing(kind, request).fresh):
        with pytest.raises(ConfigurationError):
            read()


def test_unreachable_secret_means_that_nothing_was_sent():
    nowhere = SecretCredentials(Aws("http://127.0.0.1:9", REGION).secrets, "any")
    with pytest.raises(GameballUnavailable):
        nowhere.current()

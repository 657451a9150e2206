"""The two keys of the Gameball account, from Secrets Manager. They reach no log, no error and no answer."""

import json
import re
import threading
from typing import Any, Final, Protocol

from aws_lambda_powertools.utilities.parameters import GetParameterError, SecretsProvider
from botocore.exceptions import ClientError

from adjustments.core.errors import AdjustmentsError, ConfigurationError, GameballUnavailable

CACHE_S: Final = 300
"""How long the keys are kept; refused ones are read anew at once."""

_VISIBLE: Final = r"[!-~]+"
_FOR_AN_OPERATOR: Final = frozenset(
    {"ResourceNotFoundException", "InvalidRequestException", "AccessDeniedException", "DecryptionFailure"}
)
"""Why a secret can't be read until somebody mends it: gone, marked for deletion, or not ours."""


class Credentials:
    """The keys that every call to Gameball carries; no text is made of them, nor JSON.

    No tuple: whatever writes JSON or a line of a log takes a tuple apart.
    """

    __slots__ = ("api_key", "secret_key")

    def __init__(self, api_key: str, secret_key: str) -> None:
        self.api_key: Final = api_key
        self.secret_key: Final = secret_key

    def __repr__(self) -> str:
        return "Credentials()"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Credentials):
            return NotImplemented
        return (self.api_key, self.secret_key) == (other.api_key, other.secret_key)


class CredentialSource(Protocol):
    """Where the keys come from.

    Raises:
        ConfigurationError: the secret is missing, malformed, or not ours to read.
        GameballUnavailable: it can't be read for now; nothing was sent.
    """

    def current(self) -> Credentials:
        """The keys as last read."""

    def fresh(self) -> Credentials:
        """The keys as they are now."""


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
            return self._read(force=True)  # it may have been mended meanwhile

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
    """Read the secret's text; raises ConfigurationError, which shows nothing of it."""
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
    """Whether a key can be a header's value; an error about one that can't would show it."""
    return isinstance(key, str) and re.fullmatch(_VISIBLE, key) is not None


def _unreadable(secret: str, cause: BaseException | None) -> AdjustmentsError:
    code = cause.response.get("Error", {}).get("Code", "") if isinstance(cause, ClientError) else ""
    if code in _FOR_AN_OPERATOR:
        return ConfigurationError(f"the secret {secret} can't be read: {code}")
    return GameballUnavailable(f"the secret can't be read ({code or type(cause).__name__}): nothing was sent")

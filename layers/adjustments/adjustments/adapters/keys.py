"""The two keys of the Gameball account, from Secrets Manager. They reach no log, no error and no answer."""

import json
import threading
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aws_lambda_powertools.utilities.parameters import SecretsProvider

from adjustments.errors import ConfigurationError

CACHE_S: Final = 300
"""How long the keys are kept; refused ones are read anew at once."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that every call to Gameball carries; never shown by ``repr``."""

    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)


class KeySource(Protocol):
    """Where the keys come from."""

    def current(self) -> Keys:
        """The keys as last read."""

    def fresh(self) -> Keys:
        """The keys as they are now."""


class SecretKeys:
    """Reads the keys from one secret: ``{"apiKey": "…", "secretKey": "…"}`` (DESIGN.md)."""

    def __init__(self, client: Any, secret: str) -> None:
        self._provider = SecretsProvider(boto3_client=client)
        self._secret = secret
        self._lock = threading.Lock()

    def current(self) -> Keys:
        """See ``KeySource``."""
        return self._read(force=False)

    def fresh(self) -> Keys:
        """See ``KeySource``."""
        return self._read(force=True)

    def _read(self, force: bool) -> Keys:
        with self._lock:
            text = self._provider.get(self._secret, max_age=CACHE_S, force_fetch=force)
        try:
            fields = json.loads(str(text))
            return Keys(str(fields["apiKey"]), str(fields["secretKey"]))
        except (ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f'the secret {self._secret} must be JSON like {{"apiKey": "…", "secretKey": "…"}}'
            ) from None

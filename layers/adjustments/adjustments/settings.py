"""The settings of a function, from its environment; the template sets them all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Final

_ZERO: Final = Decimal(0)


def _named(name: str, default: Any) -> Any:
    """A setting by its name in the environment."""
    return field(default=default, metadata={"name": name})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Names of resources, and the template's parameters; a function is given only what it needs."""

    table: str = _named("TABLE_NAME", "")
    bucket: str = _named("BUCKET_NAME", "")
    secret: str = _named("SECRET_ID", "")
    stack: str = _named("STACK_NAME", "")
    topic_arn: str = _named("TOPIC_ARN", "")
    event_bus: str = _named("EVENT_BUS_NAME", "")
    failure_queue_url: str = _named("FAILURE_QUEUE_URL", "")
    masks_customer_ids: bool = _named("MASK_CUSTOMER_IDS", True)
    receives_max: int = _named("RECEIVES_MAX", 5)
    state_machine_arn: str = _named("STATE_MACHINE_ARN", "")
    gameball_base_url: str = _named("GAMEBALL_BASE_URL", "")
    gameball_api_version: str = _named("GAMEBALL_API_VERSION", "v4.0")
    gameball_status_dialect: str = _named("GAMEBALL_STATUS_DIALECT", "auto")
    amount_max: Decimal = _named("MAX_ABSOLUTE_AMOUNT", _ZERO)  # noqa: RUF009 - it gives a field
    approval_above_rows: int = _named("APPROVAL_ABOVE_ROWS", 0)
    approval_above_total: Decimal = _named("APPROVAL_ABOVE_TOTAL", _ZERO)  # noqa: RUF009
    adds_token: bool = _named("REASON_TOKEN", False)
    quiet_minutes: int = _named("QUIET_MINUTES", 60)
    canary_rows: int = _named("CANARY_ROWS", 0)
    failure_percent_max: int = _named("MAX_FAILURE_PERCENT", 100)
    requests_per_30_s: int = _named("REQUESTS_PER_30_SECONDS", 350)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises ValueError for what the template would not let through."""
    values = {}
    for setting in fields(Settings):
        name = setting.metadata["name"]
        if name in environment:
            try:
                values[setting.name] = _READERS.get(name, _READERS[setting.type])(environment[name])
            except (ValueError, ArithmeticError):
                raise ValueError(f"{name} can't be {environment[name]!r}") from None
    return Settings(**values)


def _one_of(*choices: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return read


def _flag(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _number(text: str, least: int = 0) -> Decimal:
    number = Decimal(text)
    if not number.is_finite() or number < least:
        raise ValueError
    return number


def _whole_number(text: str, least: int = 0) -> int:
    number = _number(text, least)
    if number != int(number):
        raise ValueError
    return int(number)


_READERS: Final[Mapping[Any, Callable[[str], Any]]] = {
    str: str,
    int: _whole_number,
    bool: _flag,
    Decimal: _number,
    "GAMEBALL_API_VERSION": _one_of("v4.0", "v4.1"),
    "GAMEBALL_STATUS_DIALECT": _one_of("auto", "guide", "openapi"),
    "REQUESTS_PER_30_SECONDS": lambda text: _whole_number(text, least=1),
}
"""How a setting is read: by its name, or by its type."""

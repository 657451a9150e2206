"""The settings of a function, from its environment; the template sets them all."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple, get_args

_ZERO: Final = Decimal(0)


class Settings(NamedTuple):
    """Names of resources, and the template's parameters; a function is given only what it needs.

    Each is annotated with its name in the environment.
    """

    table: Annotated[str, "TABLE_NAME"] = ""
    bucket: Annotated[str, "BUCKET_NAME"] = ""
    secret: Annotated[str, "SECRET_ID"] = ""
    stack: Annotated[str, "STACK_NAME"] = ""
    topic_arn: Annotated[str, "TOPIC_ARN"] = ""
    event_bus: Annotated[str, "EVENT_BUS_NAME"] = ""
    failure_queue_url: Annotated[str, "FAILURE_QUEUE_URL"] = ""
    masks_customer_ids: Annotated[bool, "MASK_CUSTOMER_IDS"] = True
    receives_max: Annotated[int, "RECEIVES_MAX"] = 5
    state_machine_arn: Annotated[str, "STATE_MACHINE_ARN"] = ""
    gameball_base_url: Annotated[str, "GAMEBALL_BASE_URL"] = ""
    gameball_api_version: Annotated[str, "GAMEBALL_API_VERSION"] = "v4.0"
    gameball_status_dialect: Annotated[str, "GAMEBALL_STATUS_DIALECT"] = "auto"
    amount_max: Annotated[Decimal, "MAX_ABSOLUTE_AMOUNT"] = _ZERO
    approval_above_rows: Annotated[int, "APPROVAL_ABOVE_ROWS"] = 0
    approval_above_total: Annotated[Decimal, "APPROVAL_ABOVE_TOTAL"] = _ZERO
    adds_token: Annotated[bool, "REASON_TOKEN"] = False
    quiet_minutes: Annotated[int, "QUIET_MINUTES"] = 60
    canary_rows: Annotated[int, "CANARY_ROWS"] = 0
    failure_percent_max: Annotated[int, "MAX_FAILURE_PERCENT"] = 100
    requests_per_30_s: Annotated[int, "REQUESTS_PER_30_SECONDS"] = 350


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises ValueError for what the template would not let through."""
    values = {}
    for setting, annotated in Settings.__annotations__.items():
        kind, name = get_args(annotated)
        if name in environment:
            try:
                values[setting] = _READERS.get(name, _READERS[kind])(environment[name])
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

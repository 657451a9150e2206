"""Settings of the stand-in: the account, and variations of the API's behaviour."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import partial

from local.standin import validation
from local.standin.responses import refuse_plain

GUIDE = "guide"
OPENAPI = "openapi"
BOTH = "both"
VERSIONS = ("v4.0", "v4.1")
KEY_NAMES = ("api_key", "secret_key")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; replaced as a whole."""

    api_key: str = "standin-api-key"
    secret_key: str = "standin-secret-key"  # noqa: S105 - it guards nothing but a stand-in
    job_delay_s: Decimal = Decimal(0)
    latency_s: Decimal = Decimal(0)
    limits: bool = True
    retry_after_s: int | None = None
    dialect: str = BOTH
    state_case: str = "lower"
    openapi_stopped_state: str = "failed"
    failed_row_key: str = "default"
    counters_lie: str = "off"
    stop_applies_rows: int = 0
    minimum_version: str | None = None
    signed_list_amounts: bool = False
    refuse_request_customers: frozenset[str] = frozenset()
    unlisted_customers: frozenset[str] = frozenset()


def _optional(inner: Callable[[object, str], object], value: object, name: str) -> object:
    return None if value is None else inner(value, name)


def _counters_lie(value: object, name: str) -> str:
    word = {True: "rosy", False: "off"}[value] if isinstance(value, bool) else value
    return validation.read_choice(word, name, ("off", "rosy", "grim"))


_CHECKS: Mapping[str, Callable[[object, str], object]] = {
    "api_key": validation.read_text,
    "secret_key": validation.read_text,
    "job_delay_s": validation.read_duration_s,
    "latency_s": validation.read_duration_s,
    "limits": validation.read_switch,
    "retry_after_s": partial(_optional, validation.read_count),
    "dialect": partial(validation.read_choice, choices=(GUIDE, OPENAPI, BOTH)),
    "state_case": partial(validation.read_choice, choices=("lower", "title", "upper")),
    "openapi_stopped_state": validation.read_text,
    "failed_row_key": partial(validation.read_choice, choices=("default", "message", "error")),
    "counters_lie": _counters_lie,
    "stop_applies_rows": validation.read_count,
    "minimum_version": partial(_optional, partial(validation.read_choice, choices=VERSIONS)),
    "signed_list_amounts": validation.read_boolean,
    "refuse_request_customers": validation.read_texts,
    "unlisted_customers": validation.read_texts,
}


def changed(settings: Settings, wanted: Mapping[str, object]) -> Settings:
    """Change some of the settings; an unknown name or an invalid value changes nothing."""
    unknown = sorted(set(wanted) - set(_CHECKS))
    if unknown:
        raise refuse_plain(f"Unknown setting: {', '.join(unknown)}")
    values = {name: _CHECKS[name](value, name) for name, value in wanted.items()}
    return replace(settings, **values)  # type: ignore[arg-type]  # each check returns its field's type


def shown(settings: Settings) -> dict[str, object]:
    """The settings as JSON fields, without the keys."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in values.items()
        if name not in KEY_NAMES
    }

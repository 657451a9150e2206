"""Settings of the stand-in: what an account, or Gameball's mood, may be like."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from functools import partial

from local.standin import validation as check
from local.standin.responses import refuse_plainly

GUIDE = "guide"
OPENAPI = "openapi"
BOTH = "both"
VERSIONS = ("v4.0", "v4.1")
KEY_NAMES = ("api_key", "secret_key")


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set; read-only, and replaced as a whole."""

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
    return check.one_of(word, name, ("off", "rosy", "grim"))


_CHECKS: Mapping[str, Callable[[object, str], object]] = {
    "api_key": check.a_text,
    "secret_key": check.a_text,
    "job_delay_s": check.a_duration,
    "latency_s": check.a_duration,
    "limits": check.a_switch,
    "retry_after_s": partial(_optional, check.a_count),
    "dialect": partial(check.one_of, choices=(GUIDE, OPENAPI, BOTH)),
    "state_case": partial(check.one_of, choices=("lower", "title", "upper")),
    "openapi_stopped_state": check.a_text,
    "failed_row_key": partial(check.one_of, choices=("default", "message", "error")),
    "counters_lie": _counters_lie,
    "stop_applies_rows": check.a_count,
    "minimum_version": partial(_optional, partial(check.one_of, choices=VERSIONS)),
    "signed_list_amounts": check.a_boolean,
    "refuse_request_customers": check.some_texts,
    "unlisted_customers": check.some_texts,
}


def changed(settings: Settings, wanted: Mapping[str, object]) -> Settings:
    """The settings with some of them changed; an unknown name or a bad value changes nothing."""
    unknown = sorted(set(wanted) - set(_CHECKS))
    if unknown:
        raise refuse_plainly(f"Unknown setting: {', '.join(unknown)}")
    values = {name: _CHECKS[name](value, name) for name, value in wanted.items()}
    return replace(settings, **values)  # type: ignore[arg-type]  # each check returns its field's type


def shown(settings: Settings) -> dict[str, object]:
    """The settings for people to read, without the keys."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in values.items()
        if name not in KEY_NAMES
    }

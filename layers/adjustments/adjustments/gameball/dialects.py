"""The two dialects in which Gameball documents a job's status (docs/gameball-api.md, "Job status")."""

from enum import StrEnum


class Dialect(StrEnum):
    """Which of the two documented status calls an account answers."""

    GUIDE = "guide"
    OPENAPI = "openapi"


def dialects_to_try(setting: Dialect | None, noted: str) -> list[Dialect]:
    """The one dialect that is set or was noted of a batch; all of them while it is not known."""
    known = setting or (Dialect(noted) if noted else None)
    return [known] if known else list(Dialect)

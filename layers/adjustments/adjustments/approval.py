"""A person's word that a held batch may go."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approves, and what they believe to approve; None for what they did not say."""

    by: str
    sha256: str | None = None
    rows: int | None = None
    requested: Decimal | None = None

"""What a person decides about a batch."""

from decimal import Decimal
from typing import NamedTuple

from adjustments.reconciliation.evidence import Evidence


class Approval(NamedTuple):
    """Who approves, and what they believe to approve; None for what they did not say."""

    by: str
    sha256: str | None = None
    rows: int | None = None
    requested: Decimal | None = None


class Resolve(NamedTuple):
    """Who says what became of rows in doubt, and why; no lines means: of all of them."""

    by: str
    finding: Evidence
    note: str
    lines: frozenset[int] = frozenset()

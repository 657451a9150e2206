"""Planted bugs by which rows would be applied again that were applied before."""

from array import array
from collections.abc import Sequence

from adjustments.batches.row_index import IndexReader
from adjustments.submission import overlap_guard
from adjustments.submission.overlap import EarlierRows, Found, OverlapSearch
from adjustments.submission.plan import Drop
from tests.simulation.mutants import Patch, mutant


@mutant("compare no rows with those of earlier batches")
def _no_comparison() -> Sequence[Patch]:
    def find(self: OverlapSearch, own: IndexReader) -> Found:
        return Found(array("Q"), ())

    return [(OverlapSearch, "find", find)]


@mutant("take the permission of a copied object for its own")
def _copied_permission() -> Sequence[Patch]:
    def allows_duplicate(self: Drop) -> bool:
        is_allowed = self.stored.metadata.get("allow-duplicate") == "true"
        return self.allows_again or is_allowed

    return [(Drop, "allows_duplicate", property(allows_duplicate))]


@mutant("offer rows as new that were applied")
def _all_new() -> Sequence[Patch]:
    return [(EarlierRows, "has", lambda self, fingerprint: False)]


@mutant("hold nothing, and only note it")
def _no_hold() -> Sequence[Patch]:
    return [(overlap_guard, "is_overlap_held", lambda *_: False)]


@mutant("take a batch that has ended for one that has applied nothing")
def _ended_is_nothing() -> Sequence[Patch]:
    read_status = OverlapSearch._read_status

    def forget(self: OverlapSearch, earlier: object) -> None:
        read_status(self, earlier)  # type: ignore[arg-type]
        earlier.counts &= earlier.status not in ("completed", "completed_with_errors")  # type: ignore[attr-defined]

    return [(OverlapSearch, "_read_status", forget)]

"""Numbers, durations and people as report, e-mails and command show them: one format everywhere."""

from datetime import timedelta
from decimal import Decimal

from adjustments.batches.batch_parts import Submitter
from adjustments.batches.records import Batch
from adjustments.core.decimals import plain
from adjustments.core.printable import visible

_MINUTE_S = 60
_NO_UPLOADER = "not named"
_CLAIMED = "(claimed by the file's metadata, not proven)"


def rows_of(rows: int) -> str:
    """A number of rows, such as "1 row" or "2,500 rows"."""
    return f"{rows:,} row" if rows == 1 else f"{rows:,} rows"


def file_name(key: str) -> str:
    """The name of a file that was dropped, without its folder."""
    return key.rpartition("/")[2]


def way_to_apply(key: str) -> str:
    """How a file is dropped to apply it, after a dry run of it."""
    return "under inbox/" if key.startswith("dry-run/") else "without the dry-run option"


def is_recurring_check(batch: Batch) -> bool:
    """Whether a batch only checks a file of the recurring schedule, as it was dropped."""
    return batch.dry_run and batch.source.key.startswith("recurring/")


def points(amount: Decimal | str) -> str:
    """A signed amount with thousands separators and no trailing zeros, such as "+239,800" or "-0.5"."""
    whole, _, decimals = plain(abs(Decimal(amount))).partition(".")
    sign = "-" if Decimal(amount) < 0 else "+" if Decimal(amount) > 0 else ""
    return f"{sign}{int(whole):,}" + (f".{decimals}" if decimals else "")


def submitter_text(submitter: Submitter) -> str:
    """Who submitted a batch, and how that is known."""
    claim = (
        f"{visible(submitter.claimed_identity)} {_CLAIMED}" if submitter.claimed_identity else _NO_UPLOADER
    )
    match submitter.trigger:
        case "api":
            return f"{visible(submitter.identity) or 'a caller without a name'}, by the API"
        case "schedule":
            return f"the recurring schedule; the file's uploader: {claim}"
    seen = [f"AWS account {visible(submitter.account)}"] if submitter.account else []
    seen += [f"address {visible(submitter.source_ip)}"] if submitter.source_ip else []
    origin = f"; S3 saw {', '.join(seen)}" if seen else ""
    return claim + origin


def percent(part: int, whole: int) -> str:
    """A share; a share that is neither 0 nor 100 % is never rounded to one of them."""
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "under 0.1 %"
    if 99.9 < share < 100:
        return "over 99.9 %"
    return f"{share:.1f} %".replace(".0 %", " %")


def duration(took: timedelta) -> str:
    """How long something took, in two units at most; empty when it is too short to be measured."""
    seconds = took.total_seconds()
    if seconds < 0.05:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    if round(seconds) < _MINUTE_S:
        return f"{seconds:.0f} s"
    minutes, rest_s = divmod(round(seconds), _MINUTE_S)
    if minutes < _MINUTE_S:
        return f"{minutes} min {rest_s} s"
    hours, rest = divmod(minutes, _MINUTE_S)
    return f"{hours} h {rest} min"

"""The files that are measured: made of numbers, so that every run reads the same bytes and none is stored."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

HEADER: Final = b"customerId,amount,reason\n"
REASONS: Final = ("Spring campaign", "goodwill", "", "Correction of order 4711, as agreed by phone")
BLOCK_ROWS: Final = 4_096


def row(number: int, customers: int, campaign: int = 0) -> str:
    """One row: an id as shops have it, whole and decimal amounts, every tenth a deduction.

    The same customer has another amount in each campaign.
    """
    customer = number * 7_919 % customers
    sign = "-" if number % 10 == 0 else ""
    decimals = f".{number % 4 * 25:02}".rstrip("0").rstrip(".")
    reason = REASONS[number % 4]
    text = f'"{reason}"' if "," in reason else reason
    return f"player-{customer:08d},{sign}{number % 500 + 1 + 500 * campaign}{decimals},{text}\n"


def blocks(rows: int, repeat_percent: int = 0, campaign: int = 0) -> Iterator[bytes]:
    """A CSV file of so many rows, in blocks; of some customers there are two rows, far apart."""
    customers = rows - rows * repeat_percent // 100
    yield HEADER
    for start in range(0, rows, BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, rows)
        yield "".join([row(number, customers, campaign) for number in range(start, stop)]).encode()


def write(path: Path, rows: int, repeat_percent: int = 0, campaign: int = 0) -> None:
    """Put such a file on the disk."""
    with path.open("wb") as file:
        file.writelines(blocks(rows, repeat_percent, campaign))

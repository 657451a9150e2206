"""The short opaque token that a setting adds to each reason, so that a row can be found again exactly.

Off by default: customers may see the reason (docs/decisions.md).
"""

import re
from hashlib import blake2b
from typing import Final

_TOKEN: Final = re.compile(r" ?\[#[0-9a-z]{10}\]$")
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def with_token(reason: str, batch_id: str, row: int) -> str:
    """Add the token of a batch's row to its reason; the same row always gets the same token."""
    number = int.from_bytes(blake2b(f"{batch_id}\0{row}".encode(), digest_size=7).digest())
    token = "".join(_ALPHABET[(number >> shift) & 31] for shift in range(0, 50, 5))
    return f"{reason} [#{token}]".lstrip()


def has_token(reason: str) -> bool:
    """Whether a reason carries a token."""
    return bool(_TOKEN.search(reason))

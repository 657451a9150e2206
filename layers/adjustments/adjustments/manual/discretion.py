"""What may be logged. Addresses and numbers of customers may hide in ids and names that callers choose."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"[^\s/:]*@[^\s/]*")
_CHARS_MAX: Final = 300


def loggable(text: str, *private: str | None) -> str:
    """A caller's text without e-mail addresses and without the values given as private."""
    for value in private:
        if value:
            text = text.replace(value, "(withheld)")
    return _ADDRESS.sub("(withheld)", text)[:_CHARS_MAX]

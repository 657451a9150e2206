"""Text from a file is repeated in messages short, and with its invisible characters named."""

from adjustments.core.printable import TEXT_SHOWN_CHARS_MAX, shown


def test_shown_text_is_short_and_visible():
    assert shown("a\0b\u200bc\n") == "a<U+0000>b<U+200B>c<U+000A>"
    assert shown("x" * 40) == "x" * 40
    assert shown("x" * 41) == "x" * (TEXT_SHOWN_CHARS_MAX - 1) + "…"

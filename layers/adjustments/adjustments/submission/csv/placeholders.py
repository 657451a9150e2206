"""Cells that hold no data although they have text: what programs write where they have no value, the labels
of total rows, and values in a second kind of quotes.
"""
# ruff: noqa: RUF001 - letters and quotes of many scripts are meant

import re
import unicodedata
from typing import Final

_MACHINE_WORDS: Final = ("null", "nil", "none", "nan", "undefined", "true", "false")
_MACHINE_WORDS_WITH_SIGNS: Final = frozenset(
    {"\\n", "(null)", "<null>", "[null]", "<na>", "#nv", "#n/d", "#n/a"}
)
_SPREADSHEET_ERROR: Final = re.compile(r"#[^\s#]{1,12}[!?]")

_TOTALS_OF_ONE_WORD = """
    total totals subtotal sub-total grandtotal sum sums gesamt gesamtsumme summe insgesamt endsumme
    zwischensumme somme suma soma somma totale totaal totalt totaux totales totais eindtotaal subtotaal
    toplam razem ogółem celkem spolu összesen yhteensä jumlah σύνολο итого всего разом المجموع الإجمالي
    إجمالي الاجمالي اجمالي مجموع جمع סהכ סה"כ योग कुल รวม ยอดรวม
    合计 合計 总计 總計 小计 小計 総計 합계 총계 소계
"""
_TOTAL_WORDS: Final = (
    *_TOTALS_OF_ONE_WORD.split(),
    *(
        "sub total",
        "grand total",
        "overall total",
        "total sum",
        "total general",
        "total général",
        "gran total",
    ),
    *("total geral", "suma total", "genel toplam", "tổng cộng", "جمع کل"),
)

_CLOSING: Final = {
    '"': '"',
    "'": "'’",
    "`": "`´'",
    "´": "´",
    "“": "”“",
    "”": "”",
    "„": "“”",
    "‚": "‘’",
    "‘": "’",
    "’": "’",
    "«": "»",
    "»": "«",
    "‹": "›",
    "›": "‹",
    "「": "」",
    "＂": "＂",
    "＇": "＇",
}
"""The characters that close what an opening quote opens, as people pair them."""

_TEXT_FORMULA: Final = re.compile(r'="([^"]*)"')
_TEXT_MARK: Final = re.compile("'[0-9][^']*")


def _any_case(word: str) -> str:
    return "".join(f"[{char.upper()}{char}]" if char.isalpha() else re.escape(char) for char in word)


_QUOTES_BEYOND_ASCII: Final = "".join(quote for quote in _CLOSING if not quote.isascii())
SUSPECT_BEGINNINGS: Final = re.escape("\"'`#\\(<[=") + _QUOTES_BEYOND_ASCII
"""For a character class: what a cell begins with that must be looked at one by one."""

MACHINE_WORDS_PATTERN: Final = "|".join(map(_any_case, _MACHINE_WORDS))
"""The machine words that begin with a letter, in any letter case."""


_INITIALS: Final = {word[0] for word in (*_MACHINE_WORDS, *_TOTAL_WORDS) if word[0].isascii()}
LABEL_INITIALS: Final = "".join(sorted(_INITIALS | {initial.upper() for initial in _INITIALS}))
"""For a character class: the ASCII letters with which machine words and labels of totals begin."""


def text_meant(cell: str) -> str:
    """What an id means that a spreadsheet was told to keep as text: ``="00123"`` and ``'00123`` are 00123."""
    formula = _TEXT_FORMULA.fullmatch(cell)
    if formula:
        return formula[1].strip()
    return cell[1:] if _TEXT_MARK.fullmatch(cell) else cell


def is_machine_word(cell: str) -> bool:
    """Whether a cell is what a program writes for no value: NULL, \\N, None, #REF!, TRUE."""
    word = cell.casefold()
    return (
        word in _MACHINE_WORDS
        or word in _MACHINE_WORDS_WITH_SIGNS
        or _SPREADSHEET_ERROR.fullmatch(word) is not None
    )


def is_total_label(cell: str) -> bool:
    """Whether a cell is the label of a total row: ``Total``, ``Grand Total:``, ``Gesamt``."""
    label = re.sub(r"\s+", " ", re.sub(r"\(.*\)$", "", cell)).rstrip(" :=：")
    return unicodedata.normalize("NFKC", label).casefold() in _TOTALS


def is_wrapped(cell: str) -> bool:
    """Whether a value stands in quotes of its own: ``'abc'``, ``“abc”``, ``"abc"`` once it was read."""
    return (
        len(cell) > 1
        and cell[-1] in _CLOSING.get(cell[0], "")
        and cell[0] not in cell[1:-1]
        and cell[-1] not in cell[1:-1]
    )


_TOTALS: Final = frozenset(unicodedata.normalize("NFKC", word).casefold() for word in _TOTAL_WORDS)

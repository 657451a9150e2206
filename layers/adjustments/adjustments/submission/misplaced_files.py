"""Says of objects that are no CSV files in the right folder what to do, so that nobody waits in silence."""

from typing import Final

from adjustments.core.printable import visible

INBOX: Final = "inbox/"
DRY_RUN: Final = "dry-run/"
RECURRING: Final = "recurring/"
FOLDERS: Final = (INBOX, DRY_RUN, RECURRING)
"""The folders for files of people. What lies elsewhere in the bucket is the stack's own, or misplaced."""

OWN_FOLDERS: Final = ("results/", "work/")
"""What the stack itself writes; no event of it arrives (template.yaml, InboxRule)."""

_CSV_ENDINGS: Final = (".csv", ".csv.gz")
_SPREADSHEETS: Final = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_DATA_ENDINGS: Final = (*_CSV_ENDINGS, *_SPREADSHEETS, ".tsv", ".txt", ".zip", ".gz")
"""How files of rows end. Elsewhere than in the three folders, files with other endings are left alone."""

_NOT_READ: Final = "nothing of it was read or sent"
_SPREADSHEET: Final = (
    'the file is a spreadsheet, and only CSV files are read; {}. In the spreadsheet, choose "Save as" and '
    '"CSV UTF-8", and drop that file under {}'
)
_OTHER: Final = (
    "the file's name does not end in .csv or .csv.gz, and only such files are read; {}. If it is a CSV file, "
    "drop it under {} with a name that ends in .csv"
)
_WRONG_FOLDER: Final = (
    "the file lies {}, where no files are taken from; {}. Drop it under inbox/ to apply it, under dry-run/ "
    "to only check it, or under recurring/ to apply it at each tick of the schedule (all in lower case, at "
    "the top of the bucket)"
)


def is_csv_in(folder: str, key: str) -> bool:
    """Whether a key is that of a CSV file in a folder."""
    return key.startswith(folder) and key.lower().endswith(_CSV_ENDINGS)


def problem_of(key: str) -> str:
    """Say why an object is not taken and what to do; empty for one that is taken, or is nobody's file.

    Args:
        key: the key of the object.
    """
    name = key.lower()
    if key.endswith("/") or key.startswith(OWN_FOLDERS):
        return ""
    folder = next((one for one in FOLDERS if key.startswith(one)), "")
    if not folder:
        if not name.endswith(_DATA_ENDINGS):
            return ""
        parent = key.rpartition("/")[0]
        return _WRONG_FOLDER.format(
            f"under {visible(parent)}/" if parent else "at the top of the bucket", _NOT_READ
        )
    if name.endswith(_CSV_ENDINGS):
        return ""
    message = _SPREADSHEET if name.endswith(_SPREADSHEETS) else _OTHER
    return message.format(_NOT_READ, folder)

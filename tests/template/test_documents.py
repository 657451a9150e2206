"""Documents, docstrings and comments name only what exists, and nothing outside the repository.

A name is looked up from the repository's root, from the folder of the file that names it, from ``tests/`` and
from the package in the layer: ``gameball/client.py`` is a module of the package.
"""

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
PACKAGE = ROOT / "layers" / "adjustments" / "adjustments"

LEFT_OUT = {".git", ".venv", ".aws-sam", ".local", "build", "dist", "__pycache__", "corpus"}
"""Folders that are made, and the sample files of the CSV reader, which may hold anything."""

NO_SUFFIX = {"Makefile", ".gitignore", "run"}
SUFFIXES = {".py", ".md", ".yaml", ".toml", ".json", ".in", ".txt", ".sh", ".csv"}
BUCKET = re.compile(r"(?:inbox|dry-run|recurring|results|work|rows|segments|chunks|outcomes|balances)/")
"""Prefixes of the bucket. ``results/`` is a folder of the package, too: its modules are checked as files."""

ANY_FOLDER = {"app.py", "__init__.py", "conftest.py"}
"""Names that many folders hold."""

FENCED = re.compile(r"^( *)```.*?^\1```$", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"`+([^`\n]+)`+")
DECISIONS = ROOT / "docs" / "decisions.md"
DECISION = (
    r"^### (.+)\n\d{4}-\d\d-\d\d\n\n"
    + "".join(rf"- \*\*{part}\*\*: .+\n(?:  .+\n)*" for part in ("Context", "Choice", "Consequence", "Undo"))
    + r"(?=\n#|\Z)"
)
NAMES_IN_FILE = re.compile(r"((?:`[\w.]+`(?:, | and )?)+) in `([\w./-]+\.(?:py|yaml|toml))`")
"""Such as: `LEASE_S` and `RETRY_S` in `batches/next_step.py`."""

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
FILE = re.compile(
    r"(?<![\w./<{*$-])((?:[\w.-]+/)*[\w.-]*\w\.(?:py|md|yaml|toml))(?![\w/*])(?:::(\w+)|#([\w-]+))?"
)
DATA_FILE = re.compile(r"(?<![\w./<{*$:-])((?:[\w.-]+/)+[\w.-]*\w\.(?:json|csv|in|txt|sh|html))(?![\w/*])")
FOLDER = re.compile(r"(?:\.?[\w-]+/)+")
SECTION = re.compile(r'((?:[\w-]+/)*[\w-]+\.md),? "([^"]+?)( …)?"')
OUTSIDE = re.compile(r"DESIGN\.md|STYLE\.md|(?<![\w-])reference[/]")
OF_AN_ISSUE = re.compile(r"\b[Ii]ssue #?\d+|(?<![\w/&.#-])#\d+\b(?!-)")


def files() -> Iterator[Path]:
    """Every text file of the repository."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - LEFT_OUT)
        for name in sorted(names):
            if name in NO_SUFFIX or Path(name).suffix in SUFFIXES:
                yield Path(folder, name)


FILES = list(files())
DOCUMENTS = [path for path in FILES if path.suffix == ".md"]
CODE = [path for path in FILES if path.suffix in {".py", ".yaml", ".toml"} or path.name == "Makefile"]


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def prose(path: Path) -> str:
    """What a file says to people: a document, a module's docstrings and comments, any other file as it is."""
    text = path.read_text()
    if path.suffix == ".md":
        return FENCED.sub("", text)
    return "\n".join(_said_in(text)) if path.suffix == ".py" else text


def _said_in(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        match node:  # a string that stands alone is a docstring, of a constant, too
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text


def resolved(name: str, named_in: Path) -> Path | None:
    """The file or folder of a name, or nothing where there is none."""
    for base in (ROOT, named_in.parent, TESTS, PACKAGE):
        if (base / name).exists():
            return base / name
    return None


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to a document's headings."""
    headings = HEADING.findall(FENCED.sub("", path.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def missing_names(path: Path, text: str) -> list[str]:
    """The files and tests that a text names and that do not exist."""
    missing = []
    for name, test, anchor in FILE.findall(text):
        target = resolved(name, path)
        if _is_an_ending(name) or name in ANY_FOLDER or _is_made(name):
            continue
        if target is None or (test and f"def {test}(" not in target.read_text()):
            missing.append(f"{name}::{test}" if test else name)
        elif anchor and anchor not in anchors(target):
            missing.append(f"{name}#{anchor}")
    missing += [
        name
        for name in DATA_FILE.findall(text)
        if (ROOT / name.split("/")[0]).is_dir() and not BUCKET.match(name) and resolved(name, path) is None
    ]
    return missing


def missing_folders(path: Path, text: str) -> list[str]:
    """The folders in a text's code spans that do not exist; prefixes of the bucket are none."""
    folders = [span for span in CODE_SPAN.findall(text) if FOLDER.fullmatch(span) and not BUCKET.match(span)]
    return [name for name in folders if resolved(name, path) is None and Path(name).name not in LEFT_OUT]


def _is_made(name: str) -> bool:
    """Whether a file lies in a folder that a command makes."""
    return "/" in name and name.split("/")[0] in LEFT_OUT


def _is_an_ending(name: str) -> bool:
    return name.startswith(".") and "/" not in name and name.count(".") == 1


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_each_link_of_a_document_leads_somewhere(path: Path):
    dead = []
    for link in LINK.findall(prose(path)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=relative)
def test_each_file_test_and_folder_that_a_document_names_exists(path: Path):
    spans = CODE_SPAN.findall(prose(path))
    assert missing_folders(path, prose(path)) + missing_names(path, "\n".join(spans)) == []


def test_each_file_test_and_folder_that_code_names_in_words_exists():
    missing = {relative(path): missing_names(path, prose(path)) for path in CODE}
    for path in CODE:
        if path.suffix == ".py":
            missing[relative(path)] += missing_folders(path, prose(path))
    assert {path: names for path, names in missing.items() if names} == {}


def test_each_section_that_is_named_exists():
    missing = [
        f"{relative(path)}: {section}" for path in [*DOCUMENTS, *CODE] for section in missing_sections(path)
    ]
    assert missing == []


def missing_sections(path: Path) -> list[str]:
    """The sections that a file names, as in ``docs/runbook.md, "A trace"``, and that do not exist."""
    missing = []
    for name, title, is_shortened in SECTION.findall(re.sub(r"\s+(?:# )?", " ", prose(path))):
        target = resolved(name, path) or ROOT / "docs" / name
        titles = HEADING.findall(target.read_text()) if target.exists() else []
        if not any(found.startswith(title) if is_shortened else found == title for found in titles):
            missing.append(f'{name}, "{title}"')
    return missing


def test_each_decision_has_one_form_and_a_line_in_the_index():
    text = DECISIONS.read_text()
    titles = re.findall(r"^### (.+)$", text, re.MULTILINE)
    formed = re.findall(DECISION, text, re.MULTILINE)
    assert [title for title in titles if title not in formed] == []
    assert re.findall(r"^- \[([^\]]+)\]\(#", text.split("\n## ")[1], re.MULTILINE) == titles


def test_each_name_that_a_decision_finds_in_a_file_is_there():
    found = NAMES_IN_FILE.findall(re.sub(r"\s+", " ", DECISIONS.read_text()))
    sources = {file: path.read_text() for _, file in found if (path := resolved(file, DECISIONS))}
    named = [(name, file) for names, file in found for name in re.findall(r"[\w.]+(?=`)", names)]
    assert len(named) > 50
    gone = [f"{name} in {file}" for name, file in named if name.split(".")[-1] not in sources.get(file, "")]
    assert gone == []


def test_nothing_refers_to_what_is_not_in_the_repository():
    refers = {relative(path): OUTSIDE.findall(path.read_text()) for path in FILES}
    for path in FILES:
        if path.suffix in {".md", ".py"}:
            refers[relative(path)] += OF_AN_ISSUE.findall(prose(path))
    assert {path: names for path, names in refers.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("see gameball/client.py", []),
        ("see gameball/gone.py", ["gameball/gone.py"]),
        ("`unit/test_floors.py::test_gone`", ["unit/test_floors.py::test_gone"]),
        ("docs/gone.md says so, and events/gone.csv", ["docs/gone.md", "events/gone.csv"]),
        ("results/<batchId>/results.csv, keys.json", []),
        ("dist/release-notes.md, docs/dist.md", ["docs/dist.md"]),
        ("docs/runbook.md#a-trace, docs/runbook.md#gone", ["docs/runbook.md#gone"]),
    ],
)
def test_what_does_not_exist_is_noticed(text: str, missing: list[str]):
    assert missing_names(ROOT / "README.md", text) == missing


def test_each_attack_of_the_security_document_names_the_tests_that_try_it():
    attacks = (ROOT / "docs" / "security.md").read_text().partition("## Attacks tried")[2].split("\n## ")[0]
    rows = [line for line in attacks.splitlines() if line.startswith("| ")]
    named = {line: re.findall(r"`[\w/]+\.py::\w+`", line.rstrip(" |").rpartition("|")[2]) for line in rows}
    without = [line for line, tests in named.items() if not tests and "shown by" not in line]
    assert len(rows) > 40
    assert without == []

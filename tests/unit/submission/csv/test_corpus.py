"""Every odd file of tests/corpus gets the decision beside it; a new odd file is two more files there.

``name.csv`` (or ``.csv.gz``) has the bytes, ``name.json`` what must come of them: ``rows`` as line, customer
id, amount and reason; ``rejected`` as line, problem, column and perhaps a part of the message; ``notes`` as
far as they matter; or ``refused`` with a code and what the message has to say. ``metadata`` is the object's.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.submission.csv.reading import Reading, read

CORPUS = Path(__file__).parents[3] / "corpus"
FILES = sorted(path for path in CORPUS.iterdir() if path.name.endswith((".csv", ".csv.gz")))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.partition(".")[0])
def test_file_gets_its_decision(path: Path):
    expected = json.loads(_decision_of(path).read_text(encoding="utf-8"))
    reading = read(
        path.read_bytes(),
        gzipped=path.suffix == ".gz",
        amount_max=expected.get("amount_max", "0"),
        metadata=expected.get("metadata"),
        default_encoding=expected.get("default_encoding", ""),
    )
    if "refused" in expected:
        _check_refusal(reading, expected["refused"])
    else:
        _check_rows(reading, expected)


def test_each_file_has_a_decision_and_each_decision_a_file():
    assert len(FILES) >= 70
    assert {_decision_of(path) for path in FILES} == set(CORPUS.glob("*.json"))


def _decision_of(path: Path) -> Path:
    return path.with_name(path.name.partition(".")[0] + ".json")


def _check_refusal(reading: Reading, expected: dict[str, Any]) -> None:
    assert reading.refused is not None, f"accepted: {reading.decisions}"
    code, message = reading.refused
    assert code == expected["code"], message
    for part in expected["says"]:
        assert part in message


def _notes(reading: Reading) -> dict[str, Any]:
    assert reading.notes is not None
    dialect = reading.notes.dialect.model_dump()
    return {**reading.notes._asdict(), "dialect": dialect, "delimiter": reading.notes.delimiter}


def _check_rows(reading: Reading, expected: dict[str, Any]) -> None:
    assert reading.refused is None
    assert [list(row[:4]) for row in reading.rows] == expected["rows"]
    found = [[bad.line, bad.problem, bad.column] for bad in reading.rejections]
    assert found == [rejected[:3] for rejected in expected["rejected"]]
    for bad, (line, _, column, *parts) in zip(reading.rejections, expected["rejected"], strict=True):
        assert bad.message.startswith(f'line {line}, column "{column}": ' if column else f"line {line}: ")
        assert bad.message.isprintable()
        assert all(part in bad.message for part in parts), bad.message
    lines = [decision.line for decision in reading.decisions]
    assert lines == sorted(set(lines))
    notes = json.loads(json.dumps(_notes(reading)))
    assert expected.get("notes", {}).items() <= notes.items()

"""The document of the benchmarks comes from what is kept in the repository."""

from tests.bench import measurements
from tests.bench.__main__ import PARTS
from tests.bench.measurements import Result


def test_document_is_rendered_from_the_kept_measurements():
    rendered = measurements.render(measurements.read(), measurements.TEMPLATE.read_text())
    assert measurements.DOCUMENT.read_text() == rendered


def test_document_shows_every_part():
    assert sorted(measurements.parts_of(measurements.TEMPLATE.read_text())) == sorted(PARTS)


def test_every_part_is_kept():
    assert sorted(measurements.read()) == sorted(PARTS)


def test_measuring_one_part_keeps_the_others(tmp_path):
    path = tmp_path / "measured.json"
    path.write_bytes(measurements.KEPT.read_bytes())
    before = measurements.read(path)

    measurements.keep("growth", Result("| rows |\n| ---: |", [{"rows": 1}]), path)

    after = measurements.read(path)
    changed = after.pop("growth")
    assert after == {part: kept for part, kept in before.items() if part != "growth"}
    assert changed.lines == ("| rows |", "| ---: |")
    assert changed.figures == [{"rows": 1}]


def test_document_names_the_command_for_a_part_that_was_never_measured():
    assert measurements.render({}, "{{cold}}") == "*not measured yet: `make bench PARTS=cold`*"


def test_measurement_says_when_and_on_what_it_was_made(tmp_path):
    path = tmp_path / "measured.json"
    measurements.keep("cold", Result("table"), path)
    [kept] = measurements.read(path).values()
    assert kept.to_markdown() == f"table\n\n*{kept.measured_at:%Y-%m-%d %H:%M} UTC, {kept.machine}*"

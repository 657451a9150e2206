"""What was measured, when and on what machine: kept in the repository, part by part.

So a part can be measured by itself in a fresh clone, and the document has the others as they were measured.
"""

import os
import platform
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, TypeAdapter

KEPT: Final = Path(__file__).with_name("measured.json")
TEMPLATE: Final = Path(__file__).with_name("document.md")
DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_PART: Final = re.compile(r"\{\{(\w+)\}\}")


class Result(NamedTuple):
    """What a part's ``measure`` returns: tables in Markdown, and figures with which other parts compute."""

    tables: str
    figures: Any = None


class Measurement(BaseModel):
    """The last result of one part, and when and on what it was measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measured_at: datetime
    machine: str
    lines: tuple[str, ...]
    figures: Any = None

    def to_markdown(self) -> str:
        """The part as the document shows it."""
        return "\n".join([*self.lines, "", f"*{self.measured_at:%Y-%m-%d %H:%M} UTC, {self.machine}*"])


_MEASUREMENTS: Final = TypeAdapter(dict[str, Measurement])


def read(path: Path = KEPT) -> dict[str, Measurement]:
    """Read what was measured, by part."""
    return _MEASUREMENTS.validate_json(path.read_bytes()) if path.exists() else {}


def keep(part: str, result: Result, path: Path = KEPT) -> None:
    """Keep the result of a part that was measured just now; the other parts stay as they are."""
    measurement = Measurement(
        measured_at=datetime.now(UTC).replace(microsecond=0),
        machine=describe_machine(),
        lines=tuple(result.tables.split("\n")),
        figures=result.figures,
    )
    measurements = dict(sorted({**read(path), part: measurement}.items()))
    path.write_bytes(_MEASUREMENTS.dump_json(measurements, indent=2) + b"\n")


def figures_of(part: str) -> Any:
    """The figures of a part as measured last; None where there are none."""
    measurement = read().get(part)
    return measurement and measurement.figures


def parts_of(template: str) -> Iterable[str]:
    """The parts that a text shows."""
    return _PART.findall(template)


def render(measurements: Mapping[str, Measurement], template: str) -> str:
    """Put the measurements into the text of the document."""

    def show(found: re.Match[str]) -> str:
        measurement = measurements.get(found[1])
        return (
            measurement.to_markdown() if measurement else f"*not measured yet: `make bench PARTS={found[1]}`*"
        )

    return _PART.sub(show, template)


def describe_machine() -> str:
    """Processor, load and interpreter of this machine."""
    cpus, load = os.cpu_count(), os.getloadavg()[0]
    return (
        f"{_processor()}, {cpus} processors, load {load:.1f}, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.machine()

"""``python -m tests.bench [names…]``: measure, and write docs/benchmarks.md.

What one run measures is kept under ``.local/bench``, so that a part may be measured anew by itself.
"""

import argparse
import importlib
import os
import platform
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = ROOT / ".local" / "bench"
TEMPLATE: Final = Path(__file__).with_name("document.md")
DOCUMENT: Final = ROOT / "docs" / "benchmarks.md"
PARTS: Final = ("planning", "memory", "growth", "warm", "cost", "scale", "cold", "limit", "throughput")
_PLACE: Final = re.compile(r"\{\{(\w+)\}\}")


def main(arguments: list[str]) -> int:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--write-only", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}")
    KEPT.mkdir(parents=True, exist_ok=True)
    for part in () if options.write_only else options.parts or PARTS:
        began_s = time.monotonic()
        print(f"=== {part}", flush=True)
        told = importlib.import_module(f"tests.bench.{part}").measure()
        (KEPT / f"{part}.md").write_text(f"{told}\n\n*{_when_and_where()}*")
        print(f"{told}\n({time.monotonic() - began_s:.0f} s)\n", flush=True)
    DOCUMENT.write_text(_PLACE.sub(_kept, TEMPLATE.read_text()))
    print(f"wrote {DOCUMENT.relative_to(ROOT)}")
    return 0


def _kept(place: re.Match[str]) -> str:
    try:
        return (KEPT / f"{place[1]}.md").read_text()
    except FileNotFoundError:
        return f"*not measured yet: `make bench PARTS={place[1]}`*"


def _when_and_where() -> str:
    cpus, load = os.cpu_count(), os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {_processor()}, {cpus} processors, load {load:.1f}, "
        f"{platform.system()}, Python {platform.python_version()}"
    )


def _processor() -> str:
    try:
        names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m tests.bench [parts…]``: measure, and write docs/benchmarks.md.

What is measured is kept in tests/bench/measured.json; parts that are not measured stay as they are.
"""

import argparse
import importlib
import sys
import time
from typing import Final

from tests.bench import measurements

PARTS: Final = (
    "planning",
    "earlier_batches",
    "customer",
    "memory",
    "growth",
    "warm",
    "cost",
    "idle_cost",
    "scale",
    "cold",
    "limit",
    "throughput",
    "transactions",
)
"""In this order, as the cost and the scale are computed from the counts of ``growth`` and ``warm``."""


def main(arguments: list[str]) -> int:
    """Measure the parts that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"some of: {', '.join(PARTS)}")
    parser.add_argument("--write-only", action="store_true", help="measure nothing, only write the document")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"unknown part: {', '.join(unknown)}. Parts are {', '.join(PARTS)}")
    for part in () if options.write_only else options.parts or PARTS:
        began_s = time.monotonic()
        print(f"=== {part}", flush=True)
        result: measurements.Result = importlib.import_module(f"tests.bench.{part}").measure()
        measurements.keep(part, result)
        print(f"{result.tables}\n({time.monotonic() - began_s:.0f} s)\n", flush=True)
    text = measurements.render(measurements.read(), measurements.TEMPLATE.read_text())
    measurements.DOCUMENT.write_text(text)
    print("wrote docs/benchmarks.md")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

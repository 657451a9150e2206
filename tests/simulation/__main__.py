"""Runs seeds and reports: ``make simulate SEEDS=n FIRST=m``, or ``SEED=n`` for one with its trace."""

import argparse
import sys
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tests.simulation.many import Summary, run_many
from tests.simulation.ranges import seeds_of_night
from tests.simulation.simulator import describe, run_seed

TRACE_LINES = 400
LINE_EVERY_S = 20.0
"""How often a run that writes to a file prints its progress."""


def main() -> int:
    """Run the seeds of the command line; 1 when a promise does not hold."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one, and show what happened")
    parser.add_argument("--night", type=date.fromisoformat, help="run the seeds of this night (YYYY-MM-DD)")
    parser.add_argument("--summary", type=Path, help="add a summary in Markdown to this file")
    parser.add_argument(
        "--jobs", type=int, help="processes side by side; as many as processors, if not given"
    )
    chosen = parser.parse_args()
    console = Console()
    if chosen.seed is not None:
        return show(console, chosen.seed)
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    if chosen.night:
        seeds = seeds_of_night(chosen.night)
    summary = run_with_progress(console, seeds, chosen.jobs)
    if chosen.summary:
        with chosen.summary.open("a") as file:
            file.write(as_markdown(seeds, summary))
    return report(console, summary)


def run_with_progress(console: Console, seeds: range, jobs: int | None) -> Summary:
    """Run seeds, and show how far it is, and each seed that fails as soon as it does."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} seeds/s"), TimeRemainingColumn(),
    )  # fmt: skip
    summary, printed_at_s = Summary(), 0.0
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("simulating", total=len(seeds), rate="…")
        for summary in run_many(seeds.start, len(seeds), jobs):
            for seed, violation in summary.newest:
                console.print(f"seed {seed}: {violation}", markup=False, soft_wrap=True)
            progress.update(task, completed=summary.seeds, rate=f"{summary.rate:,.0f}")
            if not console.is_terminal and summary.elapsed_s >= printed_at_s + LINE_EVERY_S:
                printed_at_s = summary.elapsed_s
                console.print(so_far(summary, len(seeds)), highlight=False, soft_wrap=True)
    return summary


def as_markdown(seeds: range, summary: Summary) -> str:
    """A summary that opens with the seeds that broke a promise."""
    lines = [f"## Every promise held in {summary.seeds:,} seeds", ""]
    if summary.violations:
        lines = [f"## {len(summary.violations):,} of {summary.seeds:,} seeds broke a promise", ""]
        lines += [f"- `make simulate SEED={seed}`: {why}" for seed, why in summary.violations] + [""]
    run = f"`make simulate FIRST={seeds.start} SEEDS={len(seeds)}`"
    return "\n".join([*lines, f"Seeds {seeds.start} to {seeds.stop - 1}: {run}", ""])


def so_far(summary: Summary, seeds: int) -> str:
    """One line for a log, where no bar can be drawn."""
    left = timedelta(seconds=round((seeds - summary.seeds) / summary.rate))
    share = f"{summary.seeds:,} of {seeds:,} seeds, {len(summary.violations)} violations"
    return f"{share}, {summary.rate:,.0f} seeds/s, {left} left"


def show(console: Console, seed: int) -> int:
    """Replay one seed, with its trace."""
    result = run_seed(seed)
    for step in result.trace[-TRACE_LINES:]:
        console.print(describe(step), markup=False, highlight=False, soft_wrap=True)
    console.print(f"seed {seed} ({result.profile}): {result.steps} calls, trace {result.trace_hash[:16]}")
    console.print(f"{result.violation or 'every promise holds'}", markup=False)
    return 1 if result.violation else 0


def report(console: Console, summary: Summary) -> int:
    """Print what was run, and what was found."""
    table = Table("what happened", "times", title=f"{summary.seeds:,} seeds, {summary.steps:,} calls")
    for name, times in sorted(summary.faults.items()):
        table.add_row(name, f"{times:,}")
    table.add_section()
    for name, times in sorted(summary.kinds.items()):
        table.add_row(f"lives: {name}", f"{times:,}")
    table.add_section()
    for name, times in sorted(summary.statuses.items()):
        table.add_row(f"batches that ended as {name}", f"{times:,}")
    console.print(table)
    rate = f"{summary.rate:,.0f} seeds/s in {summary.elapsed_s:,.1f} s"
    console.print(f"{rate}, {summary.cpu_ms:.1f} ms of processor time a seed")
    for seed, violation in summary.violations:
        console.print(f"seed {seed}: {violation}   (make simulate SEED={seed})", markup=False, soft_wrap=True)
    if not summary.violations:
        console.print("every promise holds in every seed")
    return 1 if summary.violations else 0


if __name__ == "__main__":
    sys.exit(main())

"""`make demo`: processes the sample files on a local stack and shows the results."""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local import environment, ledger_check
from local.batch_client import FINAL, BatchClient
from local.processes import wait_for
from local.stack import LocalStack, StackSettings

EXPIRING = "summer-welcome.csv"
INBOX = ("spring-campaign.csv", "goodwill.csv", EXPIRING)
RECURRING = "monthly-bonus.csv"
MANUAL = ("manual-added.json", "manual-deducted.json", "manual-refused.json")
RECURRING_SCHEDULE = "RecurringTick"  # the schedule's logical id in template.yaml
RESULTS = environment.STATE / "demo"

_STANDIN_OPTIONS = ("--job-delay-s", "3")
# Shorter waits than on AWS, where they grow from seconds to minutes.
_WAIT_SCALE = 0.5
_BATCHES_END_WITHIN_S = 300.0
_POLL_EVERY_S = 0.5
_EXPIRING_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Drop:
    """A file of the demo, and its key in the bucket."""

    name: str
    key: str
    rows: int


def main() -> int:
    """Run the demo.

    Returns:
        0 if the ledger agrees with every row of the results and the stack is well, else 1.
    """
    console = Console(highlight=False)
    started = time.monotonic()
    shutil.rmtree(RESULTS, ignore_errors=True)
    settings = StackSettings(
        standin_options=_STANDIN_OPTIONS, report_step=lambda step: console.print(f"[dim]·[/] {step} …")
    )
    with LocalStack.running(settings) as stack:
        try:
            demo = Demo(stack, console, RESULTS)
            findings, is_well = demo.run(), demo.check_health()
        except Exception:
            _keep_logs(stack, console)
            raise
    _print_comparison(console, findings, time.monotonic() - started)
    return 0 if findings.agrees and is_well else 1


class Demo:
    """The steps of the demo on a running stack."""

    def __init__(self, stack: LocalStack, console: Console, results: Path) -> None:
        self._stack = stack
        self._batches = BatchClient(stack)
        self._console = console
        self._folder = results

    def run(self) -> ledger_check.Findings:
        """Run all steps, show their results, and compare them with the ledger."""
        self._stack.scale_waits(_WAIT_SCALE)
        customers = json.loads((environment.SAMPLES / "gameball-customers.json").read_bytes())
        opened = self._stack.standin.call("POST", "customers", customers)["customers"]
        self._say(f"{opened:,} customers created at the Gameball stand-in")
        drops = [*(self._drop(name, "inbox/") for name in INBOX), self._drop(RECURRING, "recurring/")]
        self._fire_schedule()
        added = self._post_manual_transactions()
        batches = self._wait_for_batches(drops)
        results = self._fetch_results(batches)
        audit = self._stack.standin.audit()
        self._show_expiry(results[batches[INBOX.index(EXPIRING)]["batchId"]], audit)
        self._show_batches(batches, results)
        inputs = {batch["batchId"]: drop.rows for batch, drop in zip(batches, drops, strict=True)}
        return ledger_check.compare(results, inputs, added, audit)

    def check_health(self) -> bool:
        """Show what `adjust doctor` says of the stack; whether it finds no problem."""
        self._console.print("adjust doctor:")
        done = subprocess.run(
            [environment.TOOLS / "adjust", "doctor"],
            env=self._stack.command_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        self._console.print(f"{done.stdout}{done.stderr}", markup=False, soft_wrap=True)
        return done.returncode == 0

    def _say(self, step: str) -> None:
        self._console.print(f"[dim]·[/] {step}", soft_wrap=True)

    def _drop(self, name: str, prefix: str) -> Drop:
        content = (environment.SAMPLES / name).read_bytes()
        self._batches.drop(prefix + name, content)
        rows = ledger_check.input_rows(content)
        self._say(f"events/{name} uploaded to {prefix}{name} ({rows:,} rows)")
        return Drop(name, prefix + name, rows)

    def _fire_schedule(self) -> None:
        """Trigger the recurring schedule now, which is due once a month."""
        expression = self._stack.fire_schedule(RECURRING_SCHEDULE)
        self._say(f"recurring schedule, {expression}: triggered now by a one-time schedule")

    def _post_manual_transactions(self) -> list[Mapping[str, Any]]:
        """Post each sample body to the API, and return those that were applied."""
        table = _table("Manual transactions", "request", "customer", "points", "expires", "answer")
        added = []
        for name in MANUAL:
            body = json.loads((environment.SAMPLES / name).read_bytes())
            answer = self._stack.call_api("POST", "/transactions/manual", body)
            if answer.status == 200:
                added.append(body)
            fields = answer.json()
            text = fields.get("message") or f"added as {fields.get('gameballTransactionId')}"
            days = f"{body['expiryAfter']} days" if "expiryAfter" in body else ""
            table.add_row(name, body["customerId"], f"{body['points']:+}", days, f"{answer.status} {text}")
        self._console.print(table)
        return added

    def _wait_for_batches(self, drops: Sequence[Drop]) -> list[dict[str, Any]]:
        """Wait until all batches have ended, and return them in the order of the files."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as progress:
            bars = [progress.add_task(drop.key, total=drop.rows) for drop in drops]

            def look() -> list[dict[str, Any]]:
                found = self._batches_of(drops)
                for bar, drop, batch in zip(bars, drops, found, strict=True):
                    if batch is not None:
                        label = f"{drop.key}  [bold]{batch['status']}[/]"
                        progress.update(bar, description=label, completed=_rows_done(batch))
                return [batch for batch in found if batch is not None and batch["status"] in FINAL]

            wait_for(
                lambda: len(look()) == len(drops), _BATCHES_END_WITHIN_S, "all batches to end", _POLL_EVERY_S
            )
            return look()

    def _batches_of(self, drops: Sequence[Drop]) -> list[dict[str, Any] | None]:
        """The batch of each file, or None while there is none."""
        ids = [self._batches.ids_of(drop.key) for drop in drops]
        return [self._batches.show(found[0]) if found else None for found in ids]

    def _fetch_results(self, batches: Sequence[Mapping[str, Any]]) -> dict[str, list[ledger_check.ResultRow]]:
        """Download the result files, since the bucket is deleted with the stack."""
        return {batch["batchId"]: self._fetch(batch["batchId"]) for batch in batches}

    def _fetch(self, batch_id: str) -> list[ledger_check.ResultRow]:
        folder = self._folder / batch_id
        folder.mkdir(parents=True)
        files = self._batches.result_files(batch_id)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        return ledger_check.read_results(files["results.csv"])

    def _show_batches(
        self, batches: Sequence[Mapping[str, Any]], results: Mapping[str, Sequence[ledger_check.ResultRow]]
    ) -> None:
        counts = [Counter(row.status for row in results[batch["batchId"]]) for batch in batches]
        present = [outcome for outcome in ledger_check.OUTCOMES if any(count[outcome] for count in counts)]
        table = _table("Batches", "file", "status", "rows", *present)
        for batch, count in zip(batches, counts, strict=True):
            numbers = [count.total(), *(count[outcome] for outcome in present)]
            name = Path(batch["source"]["key"]).stem
            table.add_row(name, batch["status"], *(f"{number:,}" for number in numbers))
        self._console.print(table)
        self._show_not_applied(batches, results)
        self._show_files(batches)

    def _show_not_applied(
        self, batches: Sequence[Mapping[str, Any]], results: Mapping[str, Sequence[ledger_check.ResultRow]]
    ) -> None:
        table = _table("Rows that were not applied", "line", "customer", "status", "message")
        for batch in batches:
            for row in results[batch["batchId"]]:
                if row.status != "applied":
                    table.add_row(str(row.line), row.customer_id, row.status, row.message)
        self._console.print(table)

    def _show_expiry(self, rows: Sequence[ledger_check.ResultRow], audit: Mapping[str, Any]) -> None:
        """Show some rows that were sent as transactions, and the expiry that each has at the stand-in."""
        table = _table(
            f"Points that expire: the first rows of {EXPIRING}, sent as transactions",
            *("customer", "points", "days, at Gameball", "transactionId"),
        )
        entries = {entry["transactionId"]: entry for entry in audit["applied"] if entry["transactionId"]}
        for row in [row for row in rows if row.status == "applied"][:_EXPIRING_SHOWN]:
            days = entries[row.transaction_id]["expiryAfter"]
            table.add_row(row.customer_id, f"{row.amount:+}", str(days), row.transaction_id)
        self._console.print(table)

    def _show_files(self, batches: Sequence[Mapping[str, Any]]) -> None:
        self._console.print("Result files, downloaded from the bucket's results/:")
        for batch in batches:
            folder = self._folder / batch["batchId"]
            names = ", ".join(sorted(path.name for path in folder.iterdir()))
            self._console.print(f"  {_short(folder)}/  {names}", soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(*columns, title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in table.columns[:-1]:
        column.no_wrap = True
    return table


def _short(path: Path) -> Path:
    return path.relative_to(environment.ROOT) if path.is_relative_to(environment.ROOT) else path


def _rows_done(batch: Mapping[str, Any]) -> int:
    """The number of rows whose outcome is known."""
    if batch["status"] in FINAL:
        return int(batch["counts"]["rows"])
    progress = batch["progress"]
    return int(progress["settledRows"]) + int(batch["counts"]["rejected"])


def _keep_logs(stack: LocalStack, console: Console) -> None:
    """Save the logs after a failure, since the folder of the stack is removed."""
    folder = RESULTS / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**stack.program_logs(), **stack.all_function_logs()}.items():
        (folder / f"{name}.log").write_text(text)
    console.print(f"[red]The demo failed.[/] Logs: {_short(folder)}/", soft_wrap=True)


def _print_comparison(console: Console, findings: ledger_check.Findings, took_s: float) -> None:
    console.print(f"Took {took_s:.0f} s.")
    compared = f"{findings.rows:,} rows of results.csv against {findings.postings:,} postings at Gameball"
    if findings.agrees:
        console.print(f"[green]The ledger agrees, row by row[/]: {compared}.", soft_wrap=True)
        return
    for line in findings.first_lines():
        console.print(f"  {line}", soft_wrap=True, markup=False)
    differences = f"{len(findings.differences):,} differences in {compared}"
    console.print(f"[red]The ledger does NOT agree[/]: {differences}.", soft_wrap=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted; the stack is stopped")
    except (TimeoutError, urllib3.exceptions.TimeoutError) as error:
        sys.exit(f"the local stack did not answer in time: {error}. If this machine is busy, try again later")

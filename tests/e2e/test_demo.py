"""What `make demo` shows, on the stack that is up anyway."""

import io
from pathlib import Path

from rich.console import Console

from local.demo import Demo
from local.stack import LocalStack


def test_the_demo_shows_outcomes_and_the_ledger_agrees_row_by_row(stack: LocalStack, tmp_path: Path) -> None:
    shown = io.StringIO()
    findings = Demo(stack, Console(file=shown, width=120), tmp_path).run()

    assert findings.differences == []
    assert findings.rows == 2_600 + 12 + 60 + 24
    assert findings.postings > 2_500
    assert "Deduction cannot have expiry" in shown.getvalue()
    folders = sorted(path.name.split("-", 2)[2].rsplit("-", 1)[0] for path in tmp_path.iterdir())
    assert folders == ["goodwill", "monthly-bonus", "spring-campaign", "summer-welcome"]
    assert "Points that expire" in shown.getvalue()
    assert "Expiry cannot be negative" in shown.getvalue()

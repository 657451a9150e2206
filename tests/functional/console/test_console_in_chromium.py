"""The console in a real browser: what people see and can do there, in every light and width."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.fakes.console import CUSTOMER, Console, batch_id, make_batch, running_console

Scheme = Literal["light", "dark"]
SPRING, WAITING, DOUBT, MOVING, EASTER, HOSTILE = (
    batch_id(name) for name in ("spring", "migration-2026", "goodwill", "april-campaign", "easter", "hostile")
)
PAGES = {
    "list": "/",
    "moving": f"/batches/{MOVING}",
    "dry run": f"/batches/{SPRING}",
    "apply": f"/batches/{SPRING}/apply",
    "reasons": f"/batches/{SPRING}/reasons",
    "waiting": f"/batches/{WAITING}",
    "approve": f"/batches/{WAITING}/approve",
    "stop": f"/batches/{MOVING}/stop",
    "resolve": f"/batches/{DOUBT}/resolve",
    "reverse": f"/batches/{EASTER}/reverse",
    "hostile": f"/batches/{HOSTILE}",
    "find a customer": "/customers",
    "customer": f"/customers?id={CUSTOMER}&live=yes",
    "error": "/batches/none",
}


@pytest.fixture
def console() -> Iterator[Console]:
    with running_console() as running:
        yield running


def open_console(chromium: Browser, console: Console, width: int = 1200, scheme: Scheme = "light") -> Page:
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.goto(console.address)
    page.wait_for_url(f"{console.url}/")
    return page


def visit(page: Page, console: Console, path: str) -> None:
    page.goto(f"{console.url}{path}")
    if page.locator(".later").count():
        page.locator(".later .sums").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1200])
def test_every_page_is_accessible_and_fits_the_screen(
    chromium: Browser, console: Console, width: int, scheme: Scheme
):
    page = open_console(chromium, console, width, scheme)
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    for name, path in PAGES.items():
        visit(page, console, path)
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    ink, paper = (
        page.evaluate(f"getComputedStyle(document.body).{name}.match(/[0-9]+/g).slice(0, 3).map(Number)")
        for name in ("color", "backgroundColor")
    )
    assert (sum(ink) < sum(paper)) == (scheme == "light")
    assert said == []


_DROP = """names => {
  const transfer = new DataTransfer();
  for (const name of names) transfer.items.add(new File(["customerId,amount\\na,1\\n"], name));
  const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
  document.body.dispatchEvent(new DragEvent("drop", options));
}"""

_FOCUSED = """() => {
  const element = document.activeElement;
  return ["INPUT", "SELECT"].includes(element.tagName) ? element.id : element.innerText.trim();
}"""


def test_address_is_for_one_browser_session_and_leaves_no_token_behind(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    assert "token" not in page.url
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert page.evaluate("document.cookie") == ""
    stranger = chromium.new_page()
    stranger.goto(console.url)
    assert "Open the whole address" in stranger.locator("body").inner_text()


def test_pages_load_nothing_from_elsewhere_and_run_no_text_of_a_file(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    for path in ("/", f"/batches/{HOSTILE}", f"/batches/{SPRING}"):
        visit(page, console, path)
    assert {url.startswith(console.url) for url in asked} == {True}
    assert said == []
    page.goto(f"{console.url}/batches/{HOSTILE}")
    assert "<U+202E>fdp.csv" in page.get_by_role("heading", level=1).inner_text()


def test_a_file_dropped_on_the_page_starts_a_dry_run(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    page.evaluate(_DROP, ["may.csv"])
    page.wait_for_url("**/batches/*done=dry-run")
    [put] = console.stack.s3.puts
    assert (put["Key"], put["Metadata"]["dry-run"]) == ("inbox/may.csv", "true")
    assert put["Body"] == b"customerId,amount\na,1\n"


@pytest.mark.parametrize(
    ("names", "said"),
    [(["may.xlsx"], "must end in .csv"), (["a.csv", "b.csv"], "one file at a time")],
)
def test_a_drop_that_is_no_single_csv_is_said_and_sends_nothing(
    chromium: Browser, console: Console, names: list[str], said: str
):
    page = open_console(chromium, console)
    page.evaluate(_DROP, names)
    assert said in page.get_by_role("alert").inner_text()
    assert page.url == f"{console.url}/"
    assert console.stack.s3.puts == []


def test_all_is_reached_by_keyboard_in_the_order_that_is_seen(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    seen: list[str] = []
    for _ in range(11):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(_FOCUSED))
    assert seen == [
        "Skip to the content",
        "Batches",
        "Customers",
        "file",
        "Start the dry run",
        "How the file is read",
        "How the file is sent",
        "status",
        "Show",
        "april-campaign.csv",
        "migration-2026.csv",
    ]
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/batches/{WAITING}")
    page.get_by_role("link", name="Approve").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/approve")
    page.get_by_role("button", name="Send these adjustments").focus()
    console.api.answer(
        f"POST /batches/{WAITING}/approve", (200, {"batchId": WAITING, "status": "submitting"})
    )
    page.keyboard.press("Enter")
    page.wait_for_url("**done=approved")
    assert "Approved" in page.locator(".notice.good").inner_text()
    [approval] = [body for method, _, body in console.api.calls if method == "POST"]
    assert approval == {"sha256": "ab" * 32, "rows": 48_000, "requested": 237_200}


def wait_for_announcement(page: Page, text: str) -> None:
    """Wait until a screen reader is told a text: it is set a moment after what is seen."""
    page.wait_for_function(
        "text => document.getElementById('announcement').textContent.trim() === text", arg=text
    )


def test_progress_goes_on_by_itself_is_spoken_and_keeps_the_focus(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    page.goto(f"{console.url}/batches/{MOVING}")
    stop = page.get_by_role("link", name="Stop")
    stop.focus()
    moving = make_batch("april-campaign", "polling", 3_000)
    half = {**moving["progress"], "settledRows": 1_600, "jobs": {"total": 4, "settled": 3, "running": 1}}
    console.api.answer(f"GET /batches/{MOVING}", (200, {**moving, "progress": half}))
    page.get_by_text("1,600 of 3,000 rows", exact=False).first.wait_for()
    assert page.get_by_role("progressbar").get_attribute("value") == "53"
    wait_for_announcement(page, "april-campaign.csv: polling, 50 % done")
    assert page.evaluate("document.activeElement.id") == "action-stop"
    done = make_batch("april-campaign", "completed", 3_000, counts={"applied": 3_000})
    console.api.answer(f"GET /batches/{MOVING}", (200, done))
    page.get_by_text("Every row was applied exactly once.").wait_for()
    wait_for_announcement(page, "april-campaign.csv: completed")
    assert page.title().startswith("completed: april-campaign.csv")
    assert page.locator("[hx-trigger^=every]").count() == 0


def test_what_may_be_out_of_date_is_said(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    page.goto(f"{console.url}/batches/{MOVING}")
    console.api.answer(f"GET /batches/{MOVING}", (403, {"Message": "the token has expired"}))
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "may be out of date" in alert.inner_text()
    assert "the token has expired" in alert.inner_text()
    console.api.answer(f"GET /batches/{MOVING}", (200, make_batch("april-campaign", "submitting", 3_000)))
    alert.wait_for(state="hidden")


def test_a_new_batch_appears_in_the_list_by_itself(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    first = make_batch("just-now", "planned", 0)
    console.api.answer("GET /batches?limit=20", (200, {"batches": [first], "next": None}))
    page.get_by_role("link", name="just-now.csv").wait_for()


def test_a_double_click_sends_a_form_once(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    console.api.answer(f"POST /batches/{MOVING}/stop", (200, {"batchId": MOVING, "status": "polling"}))
    page.goto(f"{console.url}/batches/{MOVING}/stop")
    page.get_by_role("button", name="Stop this batch").dblclick()
    page.wait_for_url("**done=stopped")
    assert len([call for call in console.api.calls if call[0] == "POST"]) == 1


def test_a_batch_takes_the_place_of_the_wait_for_it(chromium: Browser, console: Console):
    page = open_console(chromium, console)
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-may-0123456789ab"
    page.goto(f"{console.url}/batches/{name}?done=dry-run")
    assert page.get_by_role("heading", level=1).inner_text() == "Waiting for the batch"
    console.api.answer(f"GET /batches/{name}", (200, {**make_batch("may", "planned", 0), "dryRun": True}))
    page.get_by_role("heading", level=1, name="may.csv").wait_for()
    assert page.get_by_text("Waiting for the batch").count() == 0
    assert page.title().startswith("planned: may.csv")

"""The report in a real browser: what people see of it, in every light and width, and that it asks nobody."""

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from adjustments.batches.batch_parts import Counts
from adjustments.batches.states import BatchStatus
from adjustments.results.report_html.page import render_report
from adjustments.results.report_html.view_model import RowsView
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World
from tests.unit.making import make_batch

HOSTILE = '""><script>document.title="run"</script><img src=x onerror=alert(1)>'
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a batch of which everything went wrong that can, but for the doubts."""
    gameball = MemoryGameball()
    gameball.unknown_customers = {f"gone-{number}" for number in range(7)}
    world = World(gameball, canary_rows=100)
    rows = [f"member-{number},{number % 7 - 3 or 5},spring" for number in range(2_500)]
    rows += [f"gone-{number},10,spring" for number in range(7)]
    rows += [f"odd-{number},{number} points,spring" for number in range(12)]
    rows.append(f'"{HOSTILE}",none,spring')
    text = "\n".join(["customerId,amount,reason", *rows, ""])
    ended = world.run(world.drop(text, name="<b>spring.csv"))
    assert ended.status is BatchStatus.COMPLETED_WITH_ERRORS
    folder = tmp_path_factory.mktemp("results")
    for name in ("report.html", "results.csv", "fix-me.csv", "summary.json"):
        (folder / name).write_text(world.result(ended, name))
    return folder / "report.html"


def open_page(chromium: Browser, report: Path, width: int = 1200, scheme: Scheme = "light") -> Page:
    page = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.goto(report.as_uri())
    return page


def test_page_shows_the_result_the_numbers_and_the_next_steps(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report)
    assert page.get_by_role("heading", level=1).inner_text().endswith("20 of 2,520 rows were not applied")
    titles = page.get_by_role("heading", level=2).all_inner_texts()
    assert titles == [
        "Outcome of 2,520 rows",
        "What to do next",
        "Points",
        "Rows not applied, by reason",
        "Jobs over time",
        "Files",
        "Processing details",
    ]
    groups = page.get_by_role("article").get_by_role("heading").all_inner_texts()
    assert [group.split("\n")[0] for group in groups] == [
        "7 rows failed",
        "12 rows rejected",
        "1 row rejected",
    ]
    assert page.get_by_role("main").inner_text().count("fix-me.csv") >= 2


def test_charts_have_a_text_alternative(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report)
    bar = page.get_by_role("img", name="Rows by outcome")
    assert "applied 2,500 (99.2 %)" in (bar.locator("desc").text_content() or "")
    jobs = page.get_by_role("img", name="Jobs over time")
    assert "5 jobs" in (jobs.locator("desc").first.text_content() or "")
    for picture in (bar, jobs):
        box = picture.bounding_box()
        assert box is not None
        assert box["width"] > 800
        assert box["height"] > 30


def test_page_runs_nothing_and_asks_for_nothing(chromium: Browser, report: Path) -> None:
    page = chromium.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri(), wait_until="networkidle")
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    assert said == []
    assert page.title() == "completed with errors: inbox/<b>spring.csv"
    assert page.locator("script").count() == 0


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_every_screen_and_light(
    chromium: Browser, report: Path, width: int, scheme: Scheme
) -> None:
    page = open_page(chromium, report, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = (
        page.evaluate(f"getComputedStyle(document.body).{name}.match(/[0-9]+/g).slice(0, 3).map(Number)")
        for name in ("color", "backgroundColor")
    )
    assert (sum(ink) < sum(paper)) == (scheme == "light")
    assert abs(sum(ink) - sum(paper)) > 450


def test_nothing_that_a_row_holds_is_cut_off_on_a_narrow_screen(chromium: Browser, tmp_path: Path) -> None:
    gameball = MemoryGameball()
    gameball.unknown_customers = {"W" * 190, "gone"}
    world = World(gameball)
    rows = ["W" * 190 + ",5", "gone,5", "X" * 190 + "," + "9" * 60, "=1+1,abc", "ok,1"]
    ended = world.run(world.drop("customerId,amount\n" + "\n".join(rows) + "\n"))
    (tmp_path / "report.html").write_text(world.result(ended, "report.html"))
    page = open_page(chromium, tmp_path / "report.html", 360)
    widths = page.locator("article .scroll").evaluate_all(
        "all => all.map(e => [e.scrollWidth, e.clientWidth])"
    )
    assert len(widths) >= 2
    assert [pair for pair in widths if pair[0] > pair[1]] == []


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_long_numbers_stay_on_one_line(chromium: Browser, tmp_path: Path, width: int) -> None:
    total = "12345678901234.567891"
    rows = RowsView()
    rows.add_amount(total)
    rows.add_amount(f"-{total}")
    counts = Counts(rows=2, applied=2)
    batch = make_batch(status=BatchStatus.COMPLETED, counts=counts, total=total, applied_total=f"-{total}")
    (tmp_path / "report.html").write_text(render_report(batch, [], rows))
    page = open_page(chromium, tmp_path / "report.html", width)
    heights = page.locator(".tiles b").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight))"
    )
    assert [round(lines) for lines in heights] == [1, 1, 1, 1]
    rights = page.locator(".tiles b").evaluate_all("all => all.map(e => e.getBoundingClientRect().right)")
    assert max(rights) <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_column_of_the_chunks_is_visible_on_a_narrow_screen(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report, 390)
    cells = page.locator(".jobs tbody tr").last.locator("td")
    boxes = cells.evaluate_all(
        "all => all.map(e => [e.scrollWidth - e.clientWidth, e.getBoundingClientRect().right])"
    )
    assert len(boxes) == 9
    assert [box for box in boxes if box[0] > 0 or box[1] > 390] == []


def test_print_keeps_tiles_and_charts_in_one_piece(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report)
    page.emulate_media(media="print")
    for selector in (".tiles", ".tiles div", "figure", "tr"):
        breaks = page.locator(selector).evaluate_all("all => all.map(e => getComputedStyle(e).breakInside)")
        assert set(breaks) == {"avoid"}


def test_print_is_white_also_in_dark_mode(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report, scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_links_lead_to_the_files_beside_it(chromium: Browser, report: Path) -> None:
    page = open_page(chromium, report)
    links = page.get_by_role("link").evaluate_all("links => links.map(link => link.href)")
    assert {Path(link).name for link in links} == {"results.csv", "fix-me.csv", "summary.json"}
    assert all((report.parent / Path(link).name).is_file() for link in links)

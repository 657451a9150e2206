"""Takes the pictures of the console and of a report for docs/operations.md: `make screenshots`."""

import sys
import tempfile
from pathlib import Path
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Browser

from tests.fakes.browser import running_chromium
from tests.fakes.console import CUSTOMER, batch_id, running_console
from tests.fakes.gameball import MemoryGameball
from tests.fakes.world import World

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
FOLDER: Final = DOCS / "console"
REPORT: Final = DOCS / "report.png"


class Picture(NamedTuple):
    """One picture: its name, the page, and how it is looked at."""

    name: str
    path: str
    width: int
    height: int
    scheme: Literal["light", "dark"] = "light"


PICTURES: Final = (
    Picture("batches", "/", 1000, 860),
    Picture("dry-run", f"/batches/{batch_id('spring')}", 1000, 1000),
    Picture("approve-dark", f"/batches/{batch_id('migration-2026')}/approve", 1000, 860, "dark"),
    Picture("customer", f"/customers?id={CUSTOMER}&live=yes", 1000, 860),
    Picture("phone", "/", 360, 860),
)


def main() -> int:
    """Take all pictures anew."""
    FOLDER.mkdir(exist_ok=True)
    with running_chromium() as browser, running_console() as console:
        if browser is None:
            print("no Chromium is installed here; local/install_chromium.sh does it", file=sys.stderr)
            return 1
        for picture in PICTURES:
            viewport = {"width": picture.width, "height": picture.height}
            page = browser.new_page(viewport=viewport, color_scheme=picture.scheme)  # type: ignore[arg-type]
            page.goto(console.address)
            page.wait_for_url(f"{console.url}/")
            page.goto(f"{console.url}{picture.path}")
            if page.locator(".later").count():
                page.locator(".later .sums").wait_for()
            page.screenshot(path=FOLDER / f"{picture.name}.png")
            page.close()
            print(FOLDER / f"{picture.name}.png")
        take_report(browser)
    return 0


def take_report(browser: Browser) -> None:
    """Take the picture of the report of a campaign of which some rows were not applied."""
    gameball = MemoryGameball()
    gameball.unknown_customers = {f"player-{90_000 + number}" for number in range(5)}
    world = World(gameball)
    rows = [f"player-{number:05},{number % 7 * 25 - 50 or 20},Spring campaign" for number in range(2_590)]
    rows += [f"{customer},100,Spring campaign" for customer in sorted(gameball.unknown_customers)]
    rows += [f'player-{number:05},"1,000",Spring campaign' for number in range(3_000, 3_005)]
    text = "\n".join(["customerId,amount,reason", *rows, ""])
    ended = world.run(world.drop(text, name="spring-campaign.csv"))
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.html")
        report.write_text(world.result(ended, "report.html"))
        page = browser.new_page(viewport={"width": 1000, "height": 1150}, color_scheme="light")
        page.goto(report.as_uri())
        page.screenshot(path=REPORT)
        page.close()
    print(REPORT)


if __name__ == "__main__":
    sys.exit(main())

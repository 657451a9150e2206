"""Takes the pictures of the console for docs/operations.md: `make screenshots`."""

import sys
from pathlib import Path
from typing import Final, Literal, NamedTuple

from tests.fakes.browser import running_chromium
from tests.fakes.console import batch_id, running_console

FOLDER: Final = Path(__file__).resolve().parents[1] / "docs" / "console"


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
    Picture("approve-dark", f"/batches/{batch_id('migration-2026')}/approve", 1000, 520, "dark"),
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
    return 0


if __name__ == "__main__":
    sys.exit(main())

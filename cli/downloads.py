"""Downloads result files: all of a batch into a new folder, or none."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from cli.api_client import ApiClient
from cli.errors import UsageError


def download_all(
    api: ApiClient, batch_id: str, links: Mapping[str, str], folder: Path, *, overwrite: bool
) -> dict[str, int]:
    """Download the result files of a batch.

    They are fetched into a folder beside the target, which takes their place only once all are there.

    Args:
        api: client of the API.
        batch_id: the batch.
        links: the API's link for each file, by names that the caller knows.
        folder: where the files are to be; it may exist if it is empty.
        overwrite: whether the folder may hold files, which are replaced where they have these names.

    Returns:
        The size of each file in bytes.

    Raises:
        UsageError: the folder holds something, and nothing may be replaced.
        ServiceError: a link leads elsewhere, or a file did not come whole.
    """
    if folder.exists() and not overwrite and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty: name a new folder with --to, or add --overwrite")
    for name, url in links.items():
        api.check_link(url, f"results/{batch_id}/{name}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adjust-", dir=folder.parent) as beside:
        fetched = Path(beside) / "files"
        fetched.mkdir()
        sizes = {name: api.download(url, fetched / name) for name, url in links.items()}
        if not folder.exists():
            fetched.rename(folder)
        else:
            for name in links:
                (fetched / name).replace(folder / name)
    return sizes


def download_one(api: ApiClient, url: str, key: str, target: Path) -> None:
    """Download one object of the bucket to a file, which is replaced if it is there.

    Raises:
        ServiceError: the link leads elsewhere, or the file did not come whole.
    """
    api.check_link(url, key)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".adjust-", dir=target.parent) as beside:
        fetched = Path(beside) / target.name
        api.download(url, fetched)
        fetched.replace(target)

"""What the pages work with: the stack, its API, and what must be done once only."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

from cli.api_client import ApiClient, Json
from cli.console.row_reasons import RowReasons, read_reasons
from cli.errors import RequestRefused, ServiceError
from cli.stack import Stack

_FORMS_MAX: Final = 1_000
_REASONS_MAX: Final = 50
"""How much is kept in memory; the oldest goes."""

_PROGRESS_WORKERS: Final = 4
PROGRESS_MAX: Final = 8
"""Batches whose progress the list shows."""


@dataclass(slots=True)
class _Form:
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_used: bool = False
    made: str = ""


class FormsOnce:
    """Forms that apply something, each of which counts once, however often it is sent.

    The guard against repeated rows does not hold for rows that may be repeated on purpose; a double click
    is no such purpose.
    """

    def __init__(self) -> None:
        self._forms: OrderedDict[str, _Form] = OrderedDict()
        self._lock = threading.Lock()

    def issue(self) -> str:
        """Name a new form."""
        name = secrets.token_urlsafe(16)
        with self._lock:
            self._forms[name] = _Form()
            while len(self._forms) > _FORMS_MAX:
                self._forms.popitem(last=False)
        return name

    def use(self, name: str, submit: Callable[[], str]) -> str:
        """Submit a form, unless it was submitted before.

        Args:
            name: the form.
            submit: what it does; returns the id of the batch that it makes.

        Returns:
            The id of the batch that the form has made, now or before.

        Raises:
            RequestRefused: the form is unknown, or was tried before and what came of it is not known.
        """
        with self._lock:
            form = self._forms.get(name)
        if form is None:
            raise RequestRefused("this form is too old: go back to the dry run, and open it again", 409)
        with form.lock:
            if form.made:
                return form.made
            if form.is_used:
                raise RequestRefused(
                    "this was tried before, and broke off: look at the list of batches, whether the file is "
                    "there, before you open the form again",
                    409,
                )
            form.is_used = True
            form.made = submit()
            return form.made


class Services:
    """The stack, its API, and what is remembered while the console runs.

    Args:
        stack: the deployed stack.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.api = ApiClient(stack)
        self.forms = FormsOnce()
        self.reversal_links: dict[str, str] = {}
        self._reasons: OrderedDict[tuple[object, ...], RowReasons] = OrderedDict()
        self._lock = threading.Lock()

    def link(self, batch: Json, name: str) -> str:
        """The presigned link to one of a batch's result files.

        Raises:
            RequestRefused: there is no such file (yet).
            ServiceError: the link leads anywhere else.
        """
        links = batch.get("links") or {}
        if name not in links:
            raise RequestRefused(
                f"there is no file {name}: result files are available once the batch has ended", 404
            )
        url = str(links[name])
        self.api.check_link(url, f"results/{batch.get('batchId')}/{name}")
        return url

    def reasons(self, batch: Json) -> RowReasons:
        """The rows of an ended batch by reason; read again only when the batch has changed."""
        key = (batch.get("batchId"), batch.get("status"), *(batch.get("counts") or {}).values())
        with self._lock:
            if key in self._reasons:
                return self._reasons[key]
        name = "results.csv"
        blocks = self.api.blocks(self.link(batch, name), name)
        found = read_reasons(
            blocks, is_dry_run=bool(batch.get("dryRun")), is_refused=batch.get("status") == "rejected"
        )
        with self._lock:
            self._reasons[key] = found
            while len(self._reasons) > _REASONS_MAX:
                self._reasons.popitem(last=False)
        return found

    def with_progress(self, batches: list[Json]) -> list[Json]:
        """Add its progress to each batch, which a list does not have; to the newest ones only."""
        with ThreadPoolExecutor(_PROGRESS_WORKERS) as workers:
            found = list(workers.map(self._in_full, batches[:PROGRESS_MAX]))
        return found + batches[PROGRESS_MAX:]

    def _in_full(self, batch: Json) -> dict[str, Any]:
        try:
            return self.api.batch(str(batch.get("batchId")))
        except (RequestRefused, ServiceError):
            return batch

"""The stand-in for Gameball on a free port, and the real client that talks to it; and a browser."""

import logging
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from adjustments.gameball.client import GameballClient
from adjustments.gameball.credentials import Credentials
from local.standin.server import StandIn
from tests.fakes.browser import running_chromium

API_KEY, SECRET_KEY = "standin-api-key", "standin-secret-key"


class SettableCredentials:
    """Credentials that a test can change; it counts how often they were read anew."""

    def __init__(self, api_key: str = API_KEY, secret_key: str = SECRET_KEY) -> None:
        self.cached = self.stored = Credentials(api_key, secret_key)
        self.fresh_reads = 0

    def current(self) -> Credentials:
        return self.cached

    def fresh(self) -> Credentials:
        self.fresh_reads += 1
        self.cached = self.stored
        return self.cached


@pytest.fixture(autouse=True)
def _quiet_services() -> Iterator[None]:
    """Take back what importing a function does to the services' log: other tests need no JSON of it."""
    package = logging.getLogger("adjustments")
    kept = list(package.handlers), package.level, package.propagate
    yield
    package.handlers, package.level, package.propagate = kept


@pytest.fixture
def gameball() -> Iterator[StandIn]:
    with StandIn(job_delay_s=0.0, limits=False, customers={f"c{n}": 100 for n in range(50)}) as standin:
        yield standin


@pytest.fixture
def keys() -> SettableCredentials:
    return SettableCredentials()


@pytest.fixture
def client(gameball: StandIn, keys: SettableCredentials) -> GameballClient:
    return GameballClient(gameball.base_url, "v4.0", keys)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The machine's Chromium."""
    with running_chromium() as browser:
        if browser is None:
            pytest.skip("no Chromium is installed here; local/install_chromium.sh does it")
        yield browser

"""Admission of requests to the Gameball API: log, keys, version, rate limits, faults."""

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from local.standin.account import Account
from local.standin.clock import timestamp
from local.standin.faults import Fault
from local.standin.rate_limits import resource_of
from local.standin.request_log import LoggedRequest, scrubbed
from local.standin.responses import FORBIDDEN, SECRET_REQUIRED, UNAUTHORIZED, Answer, coded_error, plain_error
from local.standin.settings import VERSIONS

_INTEGRATIONS = re.compile(r"/api/([^/]+)/integrations/(.+)")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, read whole; header names are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def version(self) -> str:
        """The API version of the path, empty outside `/api/{version}/integrations/`."""
        match = _INTEGRATIONS.fullmatch(self.path)
        return match.group(1) if match else ""

    @property
    def endpoint(self) -> str:
        """What follows `/integrations/`, empty elsewhere."""
        match = _INTEGRATIONS.fullmatch(self.path)
        return match.group(2) if match else ""


@dataclass(frozen=True, slots=True)
class Admission:
    """The result for one request: refused with an answer, or admitted, perhaps with a fault."""

    logged: LoggedRequest
    answer: Answer | None = None
    fault: Fault | None = None


def admit(account: Account, request: Request) -> Admission:
    """Log a request, check its keys, version and rate limit, and find the fault for it.

    Assumption on the order: keys before limits, since limits belong to an account; a request that
    is refused here neither counts towards the limits nor consumes a fault.
    """
    with account.lock:
        now_ns = account.settle()
        logged = _log(account, request)
        answer = _key_problem(account, request) or _version_problem(account, request)
        answer = answer or _limit_problem(account, logged.resource, now_ns)
        if answer is not None:
            return Admission(logged, answer)
        fault = account.faults.take(request.method, request.path)
        logged.fault = fault.kind if fault else None
        return Admission(logged, fault=fault)


def _log(account: Account, request: Request) -> LoggedRequest:
    keys = (account.settings.api_key, account.settings.secret_key)
    target = f"{request.path}?{request.query}" if request.query else request.path
    is_batch_post = request.method == "POST" and request.endpoint.startswith("batch/")
    return account.log.add(
        LoggedRequest(
            timestamp(account.clock.utc()),
            request.method,
            scrubbed(target.encode(errors="replace"), keys).decode(),
            resource_of(request.endpoint),
            scrubbed(request.body, keys) if is_batch_post else None,
        )
    )


def _key_problem(account: Account, request: Request) -> Answer | None:
    """Both headers, on every call; a rotated key is refused at once (docs/gameball-api.md, "Calls")."""
    settings = account.settings
    if not _same(request.headers.get("apikey"), settings.api_key):
        return coded_error(UNAUTHORIZED, "Unauthorized")
    secret_key = request.headers.get("secretkey")
    if not secret_key:
        return coded_error(SECRET_REQUIRED, "The secret key is required")
    return None if _same(secret_key, settings.secret_key) else coded_error(UNAUTHORIZED, "Unauthorized")


def _version_problem(account: Account, request: Request) -> Answer | None:
    """Assumption: a version below the account's minimum is forbidden (1002), as no code is documented."""
    minimum = account.settings.minimum_version
    if minimum is None or request.version not in VERSIONS or request.version >= minimum:
        return None
    return coded_error(FORBIDDEN, f"The account's minimum API version is {minimum}")


def _limit_problem(account: Account, resource: str, now_ns: int) -> Answer | None:
    if not account.settings.limits or account.limits.admit(resource, now_ns):
        return None
    answer = plain_error(429, "Too many requests")
    if account.settings.retry_after_s is None:
        return answer
    return Answer(429, answer.body, headers=(("Retry-After", str(account.settings.retry_after_s)),))


def _same(given: str | None, key: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), key.encode())

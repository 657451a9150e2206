"""The health check: whether the parts of the stack work together, and what to do where they don't."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

from adjustments.aws.health import StackParts, describe_runtime, is_old
from adjustments.core import __version__
from adjustments.core.errors import (
    AdjustmentsError,
    ConfigurationError,
    GameballError,
    GameballRefused,
    GameballUnauthorized,
    PartUnavailable,
)
from adjustments.core.limits import BOTOCORE_MIN
from adjustments.core.runtime import Clock, Parallel
from adjustments.core.settings import CheckedResources
from adjustments.gameball.credentials import CredentialSource
from adjustments.gameball.port import Gameball
from adjustments.gameball.rate_limiter import Priority, RateLimiter, Resource, wait_for_slot

GAMEBALL_ADDRESS: Final = "https://api.gameball.co"
PROBE_CUSTOMER: Final = "adjust-health-check"
"""Whose transactions are asked for: most likely nobody's, so that Gameball knows no such customer."""

_CALL_S: Final = 10.0
_WAIT_FOR_SLOT: Final = timedelta(seconds=10)
"""With the call after it, well within the time that the API's caller waits."""

_STORE_KEYS: Final = 'store the keys: docs/operations.md, "Rotate the keys"'
_DEPLOY_AGAIN: Final = "deploy again; if it stays, look at the function's log group"
_CHECK_AGAIN: Final = "check again: a first start takes long; if it stays, look at the function's log group"


class Status(StrEnum):
    """What a finding means: all is well, something to know, or something to mend."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part of the stack.

    Args:
        check: the part, such as ``function Notify``.
        status: what the finding means.
        message: what was found.
        advice: what to do; empty where nothing is to be done.
    """

    check: str
    status: Status
    message: str
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """Looks at every part of the stack at once.

    Args:
        parts: the stack's own parts.
        gameball: called once, for the transactions of a customer who most likely does not exist.
        credentials: the keys, of which a fingerprint is shown.
        rate_limiter: gives the call its slot.
        clock: the time.
        parallel: looks at several parts at once.
        resources: which parts there are.
        base_url: Gameball's address (GameballBaseUrl).
    """

    parts: StackParts
    gameball: Gameball
    credentials: CredentialSource
    rate_limiter: RateLimiter
    clock: Clock
    parallel: Parallel
    resources: CheckedResources
    base_url: str

    def check(self) -> Mapping[str, Any]:
        """Check everything.

        Returns:
            The version of the code, whether there is no problem, and the findings, in a fixed order.
        """
        checks = list(self._checks(self.clock.now() + _WAIT_FOR_SLOT))
        found: list[Finding | None] = [None] * len(checks)

        def run(position: int) -> None:
            found[position] = checks[position]()

        self.parallel([partial(run, position) for position in range(len(checks))])
        findings = [finding for finding in found if finding is not None]
        return {
            "version": __version__,
            "isWell": all(finding.status is not Status.PROBLEM for finding in findings),
            "checks": [asdict(finding) for finding in findings],
        }

    def _checks(self, until: datetime) -> Iterable[Callable[[], Finding]]:
        parts = self.resources
        yield partial(_of_function, "BatchApi", describe_runtime())  # it is the one that runs this
        for name, function in parts.functions.items():
            yield partial(self._function, name, function)
        yield partial(self._keys, until)
        for name, topic in parts.topics.items():
            yield partial(self._topic, name, topic)
        for name, schedule in parts.schedules.items():
            yield partial(self._schedule, name, schedule)
        for name, queue in parts.queues.items():
            yield partial(self._queue, name, queue, is_failure=False)
        for name, queue in parts.failure_queues.items():
            yield partial(self._queue, name, queue, is_failure=True)

    def _function(self, name: str, function: str) -> Finding:
        try:
            return _of_function(name, self.parts.function_versions(function))
        except PartUnavailable as error:
            return Finding(f"function {name}", Status.PROBLEM, f"does not answer: {error}", _CHECK_AGAIN)

    def _keys(self, until: datetime) -> Finding:
        """Whether there are keys and Gameball accepts them."""
        check = "Gameball"
        try:
            fingerprint = self.credentials.fresh().fingerprint()
            error = self._probe(until)
        except ConfigurationError as malformed:
            return Finding(check, Status.PROBLEM, f"no keys: {malformed}", _STORE_KEYS)
        except AdjustmentsError as unreadable:
            return Finding(check, Status.PROBLEM, f"no keys: {unreadable}", "try again in a minute")
        if isinstance(error, GameballUnauthorized):
            message = f"{self.base_url} refuses the keys (API key {fingerprint}): {error.message}"
            return Finding(check, Status.PROBLEM, message, _STORE_KEYS)
        if error is not None:
            message = f"{self.base_url} can't be called: {error.message}"
            return Finding(
                check, Status.PROBLEM, message, "check GameballBaseUrl; else ask Gameball, or try again later"
            )
        message = f"{self.base_url} accepts the keys (API key {fingerprint})"
        if self.base_url.rstrip("/") == GAMEBALL_ADDRESS:
            advice = "only the key tells a test account from a live one: compare its fingerprint"
            return Finding(check, Status.OK, message, advice)
        return Finding(
            check, Status.NOTE, f"{message}; it is not Gameball's own address", "fine for tests only"
        )

    def _probe(self, until: datetime) -> GameballError | None:
        """Make a call that changes nothing; the error that it failed with, other than a plain refusal."""
        slot = wait_for_slot(self.rate_limiter, self.clock, Resource.TRANSACTIONS, Priority.PROMPT, until)
        if not slot:
            return GameballError("the rate limit is used up; try again in a minute")
        try:
            self.gameball.transactions(PROBE_CUSTOMER, within_s=_CALL_S)
        except GameballRefused:
            return None  # refused with good keys: there is no such customer
        except GameballError as error:
            return error
        return None

    def _topic(self, name: str, topic: str) -> Finding:
        check = f"topic {name}"
        try:
            confirmed, pending = self.parts.subscriptions(topic)
        except PartUnavailable as error:
            return _not_checked(check, error)
        if pending:
            advice = "confirm them by the mail from AWS Notifications; after three days, subscribe again"
            return Finding(check, Status.PROBLEM, f"{pending} of its subscriptions not confirmed", advice)
        if not confirmed:
            advice = f"set {'OnCallEmail' if name == 'OnCallTopicArn' else 'AlertEmail'} and deploy"
            return Finding(check, Status.NOTE, "nobody is subscribed", advice)
        return Finding(check, Status.OK, f"{confirmed} confirmed")

    def _schedule(self, name: str, schedule: str) -> Finding:
        check = f"schedule {name}"
        try:
            is_on = self.parts.is_schedule_on(schedule)
        except PartUnavailable as error:
            return _not_checked(check, error)
        if is_on:
            return Finding(check, Status.OK, "on")
        advice = f"enable {schedule} in EventBridge Scheduler, if it was not turned off on purpose"
        return Finding(check, Status.PROBLEM, "off", advice)

    def _queue(self, name: str, queue: str, *, is_failure: bool) -> Finding:
        check = f"queue {name}"
        try:
            waiting = self.parts.messages(queue)
        except PartUnavailable as error:
            return _not_checked(check, error)
        if not waiting:
            return Finding(check, Status.OK, "empty")
        if is_failure:
            section = name.replace("FailureQueue", " failure queue not empty")
            advice = f'look into them and send them back: docs/runbook.md, "{section}"'
            return Finding(check, Status.PROBLEM, f"{waiting} failed", advice)
        return Finding(
            check, Status.NOTE, f"{waiting} waiting", "check again in a minute: it should get fewer"
        )


def _of_function(name: str, runtime: Mapping[str, Any]) -> Finding:
    """What a function's own answer says."""
    check, version = f"function {name}", runtime.get("version")
    botocore = str(runtime.get("botocore", ""))
    message = f"answers: version {version}, Python {runtime.get('python')}, botocore {botocore}"
    if version != __version__:
        return Finding(check, Status.PROBLEM, f"{message}; BatchApi has version {__version__}", _DEPLOY_AGAIN)
    if is_old(botocore):
        needed = ".".join(map(str, BOTOCORE_MIN))
        advice = f"deploy with a newer Runtime: conditional writes need botocore {needed}"
        return Finding(check, Status.PROBLEM, message, advice)
    return Finding(check, Status.OK, message)


def _not_checked(check: str, error: PartUnavailable) -> Finding:
    return Finding(check, Status.PROBLEM, f"can't be checked: {error}", "deploy again")

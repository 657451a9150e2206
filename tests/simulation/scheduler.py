"""Runs many workers in turns: exactly one at a time, and always in the same order for the same seed.

The services are plain synchronous code. A worker that may be interrupted runs on a stack of its own and
hands control back at a port call, so that no two ever run at once.
"""

import heapq
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The worker's process vanished at this point."""


class Violation(BaseException):
    """A promise does not hold. Not an Exception, so that no code under test can swallow it."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"{check}: {message}")
        self.check = check


class Worker:
    """One invocation of a function.

    One that works side by side with others has a worker for each thread.

    ``can_freeze`` says whether it may be interrupted in the midst of a port call, ``killed_at`` when its
    Lambda may be killed, ``skew`` how far its clock is off. The rest is what the checks remember of it: its
    process (itself but for threads), its last intent, the chunks that it holds to send their rows one by one
    (since when), its unused slots of the rate limiter, alone and in blocks, how often it has slept in
    succession, the batch and chunks that it read last, and the body of the API that it was given.
    """

    def __init__(self, name: str, can_freeze: bool, killed_at: datetime) -> None:
        self.name = name
        self.can_freeze = can_freeze
        self.killed_at = killed_at
        self.skew = timedelta(0)
        self.is_killed = False
        self.is_late = False
        self.is_disturbed = False
        self.process = self
        self.is_thread = False
        self.in_call = False
        self.intent: tuple[str, str] | None = None
        self.token = ""
        self.request: tuple[str, str] = ("", "")
        self.slots = 0
        self.block_slots = 0
        self.naps = 0
        self.held: dict[tuple[str, str], datetime] = {}
        self.batch_read: Any = None
        self.last_batch: Any = None
        self.snapshot: tuple[Any, Sequence[Any]] = (None, ())
        self.limiter: Any = None
        self.posted_file: Any = None


class _Fiber:
    """A worker that can be left in the midst of a call, and gone back to. Much cheaper than a thread."""

    def __init__(self, body: Callable[[], None]) -> None:
        self._stack: Any = greenlet(body)
        self._left: Any = None

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing to go back to."""
        return bool(self._stack.dead)

    def go_on(self) -> None:
        """Switch to the worker, and wait until it switches back."""
        self._left = self._stack.parent = getcurrent()
        self._stack.switch()

    def park(self) -> None:
        """Switch back; called from within the worker."""
        self._left.switch()


class Scheduler:
    """Time, and what happens in it."""

    def __init__(self, start: datetime) -> None:
        self.now = start
        self.current: Worker | None = None
        self.violation: Violation | None = None
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._number = 0
        self._frozen: dict[Worker, _Fiber] = {}

    def at(self, due: datetime, event: Callable[[], None]) -> None:
        """Let something happen at a time, after everything that was put there before."""
        self._number += 1
        heapq.heappush(self._events, (due, self._number, event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        """Let something happen in a while."""
        self.at(self.now + timedelta(seconds=seconds), event)

    def run_next(self) -> bool:
        """Let the next thing happen; False when nothing is left."""
        if not self._events:
            return False
        due, _, event = heapq.heappop(self._events)
        self.now = max(self.now, due)
        event()
        if self.violation:
            raise self.violation
        return True

    def run(self, worker: Worker, body: Callable[[], None]) -> None:
        """Run a worker until it ends or freezes; ``body`` lets nothing but a Violation out."""

        def guarded() -> None:
            try:
                body()
            except Violation as violation:
                self.violation = self.violation or violation

        if not worker.can_freeze:
            self.current = worker
            guarded()
            self.current = None
            return
        self._frozen[worker] = _Fiber(guarded)
        self._resume(worker)

    def freeze(self, worker: Worker, seconds: float) -> None:
        """Let time pass for a worker: others run meanwhile, if it can be interrupted."""
        if not worker.can_freeze:
            self.now += timedelta(seconds=seconds)
            return
        fiber = self._frozen[worker]
        self.after(seconds, lambda: self._resume(worker))
        fiber.park()

    def park(self, worker: Worker) -> None:
        """Let a worker rest until ``wake``."""
        self._frozen[worker].park()

    def wake(self, worker: Worker) -> None:
        """Let a worker go on that rests."""
        self.after(0.0, lambda: self._resume(worker))

    def kill_all(self) -> None:
        """Kill whatever is frozen, so that its stacks are given back."""
        for worker in list(self._frozen):
            worker.is_killed = True
            self._resume(worker)

    def _resume(self, worker: Worker) -> None:
        fiber = self._frozen.get(worker)
        if fiber is None:
            return
        self.current = worker
        fiber.go_on()
        self.current = None
        if fiber.has_ended:
            del self._frozen[worker]

"""Runs many workers in turns: exactly one at a time, and always in the same order for the same seed.

The services are plain synchronous code. A worker that may be interrupted runs in a thread of its own and
hands the baton back at a port call; whoever holds the baton runs, so that no two threads ever run at once.
"""

import heapq
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any


class Killed(BaseException):
    """The worker's process vanished at this point."""


class Violation(BaseException):
    """A promise does not hold. Not an Exception, so that no code under test can swallow it."""

    def __init__(self, check: str, message: str) -> None:
        super().__init__(f"{check}: {message}")
        self.check = check


class Worker:
    """One invocation of a function.

    ``can_freeze`` says whether it may be interrupted in the midst of a port call, ``killed_at`` when its
    Lambda may be killed. The rest is what the checks remember of it: its last intent, its unused turns in the
    budget, and the batch and chunks that it read last.
    """

    def __init__(self, name: str, can_freeze: bool, killed_at: datetime) -> None:
        self.name = name
        self.can_freeze = can_freeze
        self.killed_at = killed_at
        self.is_doomed = False
        self.is_late = False
        self.in_call = False
        self.intent: tuple[str, str] | None = None
        self.token = ""
        self.request: tuple[str, str] = ("", "")
        self.turns = 0
        self.looked: Any = None
        self.read: Any = None
        self.seen: tuple[Any, Sequence[Any]] = (None, ())


class _Fiber:
    """A thread that runs only while it holds the baton."""

    def __init__(self) -> None:
        self._go = threading.Lock()
        self._back = threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._body: Callable[[], None] = lambda: None
        self.is_idle = True
        threading.Thread(target=self._loop, daemon=True).start()

    def begin(self, body: Callable[[], None]) -> None:
        """Run a body until it parks or ends."""
        self._body = body
        self.is_idle = False
        self.go_on()

    def go_on(self) -> None:
        """Hand the baton over, and wait until it comes back."""
        self._go.release()
        self._back.acquire()

    def park(self) -> None:
        """Hand the baton back; called from within."""
        self._back.release()
        self._go.acquire()

    def _loop(self) -> None:
        while True:
            self._go.acquire()
            self._body()
            self.is_idle = True
            self._back.release()


_idle_fibers: list[_Fiber] = []
"""Threads are kept from seed to seed: making one costs more than a whole port call."""


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
        fiber = _idle_fibers.pop() if _idle_fibers else _Fiber()
        self._frozen[worker] = fiber
        self._pass(worker, lambda: fiber.begin(guarded))

    def freeze(self, worker: Worker, seconds: float) -> None:
        """Let time pass for a worker: others run meanwhile, if it can be interrupted."""
        if not worker.can_freeze:
            self.now += timedelta(seconds=seconds)
            return
        fiber = self._frozen[worker]
        self.after(seconds, lambda: self._pass(worker, fiber.go_on))
        fiber.park()

    def doom_all(self) -> None:
        """Kill whatever is frozen, so that its threads are free again."""
        for worker, fiber in list(self._frozen.items()):
            worker.is_doomed = True
            self._pass(worker, fiber.go_on)

    def _pass(self, worker: Worker, hand_over: Callable[[], None]) -> None:
        fiber = self._frozen.get(worker)
        if fiber is None:
            return
        self.current = worker
        hand_over()
        self.current = None
        if fiber.is_idle:
            del self._frozen[worker]
            _idle_fibers.append(fiber)

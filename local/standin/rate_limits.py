"""Rate limits: exact sliding windows per kind of resource (docs/gameball-api.md, "Rate limits")."""

from collections import deque

from local.standin.clock import NS_PER_S

REQUESTS_PER_SECOND_MAX = 30
REQUESTS_PER_30_SECONDS_MAX = 360
SHORT_WINDOW_NS = NS_PER_S
LONG_WINDOW_NS = 30 * NS_PER_S

TRANSACTIONS = "transactions"
OTHERS = "others"


def resource_of(path: str) -> str:
    """The kind of resource of a path below `/integrations/`; all others share one."""
    return TRANSACTIONS if path.split("/", 1)[0] == "transactions" else OTHERS


class SlidingWindows:
    """Admits at most 30 requests in any second and 360 in any 30 s; refused ones do not count.

    Windows are half open: a request leaves the count exactly one window after it came.
    """

    def __init__(self) -> None:
        self._admitted_ns: dict[str, deque[int]] = {}

    def admit(self, resource: str, now_ns: int) -> bool:
        """Whether one more request is admitted now; if so, it is counted."""
        admitted = self._admitted_ns.setdefault(resource, deque())
        while admitted and now_ns - admitted[0] >= LONG_WINDOW_NS:
            admitted.popleft()
        if len(admitted) >= REQUESTS_PER_30_SECONDS_MAX or _full_second(admitted, now_ns):
            return False
        admitted.append(now_ns)
        return True


def _full_second(admitted_ns: deque[int], now_ns: int) -> bool:
    """Whether thirty requests were admitted within the last second."""
    if len(admitted_ns) < REQUESTS_PER_SECOND_MAX:
        return False
    return now_ns - admitted_ns[-REQUESTS_PER_SECOND_MAX] < SHORT_WINDOW_NS

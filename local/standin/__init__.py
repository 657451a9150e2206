"""The Gameball stand-in: a loopback server with an exact ledger, for tests and the one-machine run.

It behaves as docs/gameball-api.md says and shares no code with the client, so that a misreading on one side
shows as a difference instead of cancelling out.
"""

from local.standin.clock import Clock, ManualClock, SystemClock
from local.standin.server import StandIn

__all__ = ["Clock", "ManualClock", "StandIn", "SystemClock"]

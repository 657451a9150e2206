"""Sends one manual transaction to Gameball."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adjustments import answers
from adjustments.answers import FollowUp
from adjustments.errors import GameballError, GameballThrottled
from adjustments.manual import ManualTransaction
from adjustments.ports import Clock, Gameball, Ids, Lane, RequestBudget, Resource
from adjustments.services.turns import wait_for_turn


class Transactor:
    """Adds manual transactions, within the shared request budget."""

    def __init__(self, gameball: Gameball, budget: RequestBudget, clock: Clock, ids: Ids) -> None:
        self._gameball = gameball
        self._budget = budget
        self._clock = clock
        self._ids = ids

    def add(self, transaction: ManualTransaction, until: datetime) -> Mapping[str, Any]:
        """Send a transaction; what surely was not applied is tried again until the time is up.

        Raises:
            GameballError: of the class that says whether it was applied. After OutcomeUnknown the same
            transaction
                may be sent again, since Gameball applies a ``transactionId`` once.
        """
        attempts = 0
        while True:
            if not wait_for_turn(self._budget, self._clock, Resource.TRANSACTIONS, Lane.PROMPT, until):
                raise GameballThrottled(
                    "the request budget is used up for now", retry_after_s=answers.THROTTLED_PAUSE_S
                )
            attempts += 1
            try:
                return self._gameball.add_manual_transaction(transaction.body())
            except GameballError as error:
                pause = answers.pause(error, attempts, self._ids.jitter())
                if answers.follow_up(error) is not FollowUp.TRY_LATER or self._clock.now() + pause >= until:
                    raise
                self._clock.sleep(pause.total_seconds())

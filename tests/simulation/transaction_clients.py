"""Programs that post manual transactions to the API, of customers and ids that files have as well."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from adjustments.core.errors import AdjustmentsError, GameballRefused, IdTaken, RequestRefused
from tests.simulation.checks import fail
from tests.simulation.clients import GATEWAY_WAITS_S, TRIES_IN_FAULTS, Invoke
from tests.simulation.lives import Call
from tests.simulation.world import SimulatedWorld

FUNCTION_S: Final = 26.0
"""How long the function may take (template.yaml)."""

LIST_LAG_S: Final = 2.0
"""How late Gameball may list a transaction for the API to see at once that it was applied."""


@dataclass
class TransactionClient:
    """Posts one manual transaction until it gets an answer that says what became of it."""

    world: SimulatedWorld
    call: Call
    invoke: Invoke
    is_answered: bool = field(default=False, init=False)
    tries: int = field(default=0, init=False)

    def post(self) -> None:
        """Post once; an answer that says nothing for certain, or is lost, leads to another try."""
        self.tries += 1
        is_open = True

        def done(is_good: bool, result: Any) -> None:
            nonlocal is_open
            if not is_open:
                return
            is_open = False
            injector = self.world.injector
            is_lost = not injector.is_over and injector.random.random() < 0.2
            if is_good and not is_lost and self._is_certain(result):
                self.is_answered = True
            else:
                self._post_again()

        self.invoke("manual_transaction", self._add, FUNCTION_S, done)
        self.world.scheduler.after(GATEWAY_WAITS_S, lambda: done(False, None))

    def _add(self) -> Any:
        """Call the service as the function does."""
        try:
            return self.world.add_transaction(self.call.fields, FUNCTION_S)
        except AdjustmentsError as error:
            return error

    def _is_certain(self, result: Any) -> bool:
        """Check an answer; whether it says for certain what became of the transaction."""
        name = self.call.fields["transactionId"]
        entry = self.world.gameball.by_id.get(name)
        is_applied = entry is not None and (entry.customer, entry.amount) == self._content()
        if isinstance(result, GameballRefused | IdTaken | RequestRefused):
            if is_applied and entry and entry.chunk_id == self.call.name:
                fail("an answer of the API is true", f"{name} is {result!r}, and was applied")
            return True
        if isinstance(result, AdjustmentsError):
            return False
        if not is_applied or result.get("transactionId") != name:
            fail(
                "an answer of the API is true", f"{name} is answered with {result}, and Gameball has {entry}"
            )
        return True

    def _content(self) -> tuple[str, Decimal]:
        fields = self.call.fields
        return fields["customerId"], Decimal(fields.get("points", fields.get("amount")))

    def _post_again(self) -> None:
        scheduler, rng = self.world.scheduler, self.world.injector.random
        if self.tries < TRIES_IN_FAULTS:
            scheduler.after(rng.choice((0.0, 1.0, 30.0, 600.0)), self.post)
        elif self.tries < 2 * TRIES_IN_FAULTS:
            passed_s = (scheduler.now - self.world.began_at).total_seconds()
            scheduler.after(max(60.0, self.world.scenario.answers_from_s - passed_s), self.post)

    def check(self) -> None:
        """Check at the end that the transaction was answered."""
        if not self.is_answered and self.world.checker.rows.fits_row_time(self.call.fields["customerId"]):
            fail("a transaction is answered", f"{self.call.fields}: {self.tries} tries")

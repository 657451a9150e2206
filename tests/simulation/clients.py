"""Programs that post bodies to the API, and post them again until they get an answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from adjustments.batches.records import Batch
from tests.simulation.checks import fail
from tests.simulation.lives import Body
from tests.simulation.scenario import InputRow
from tests.simulation.world import SimulatedWorld

GATEWAY_WAITS_S: Final = 29.0
"""How long API Gateway waits for a function before it answers 504."""

TRIES_IN_FAULTS: Final = 5
"""After so many tries a client waits until faults are over, and for as long as a claim may stand alone."""

CLAIM_MAY_STAND_S: Final = 4_000.0

Invoke = Callable[[str, Callable[[], Any], float, Callable[[bool, Any], None]], None]
"""Runs a function once: its name, its body, its time limit, and what is called with its result."""


@dataclass
class Client:
    """Posts one body until it is answered."""

    world: SimulatedWorld
    body: Body
    invoke: Invoke
    batch_ids: set[str] = field(default_factory=set)
    is_answered: bool = False
    tries: int = 0

    def post(self) -> None:
        """Post once; an answer that does not come in time, or is lost, leads to another try."""
        self.tries += 1
        is_open = True

        def done(is_good: bool, result: Any) -> None:
            nonlocal is_open
            if not is_open:
                return
            is_open = False
            if is_good:
                self._check_answer(*result)
                is_good = "being planned" not in result[0].refusal  # the answer says to try again
            injector = self.world.injector
            is_lost = not injector.is_over and injector.random.random() < 0.3
            if is_lost:
                injector.record("answer of the API lost")
            if is_good and not is_lost:
                self.is_answered = True
                if self.body.is_key_used_again and self.body.key:
                    OtherBody(self.world, self.body.key, self.invoke).post()
            else:
                self._post_again()

        self.invoke("accept_batch", self._accept, GATEWAY_WAITS_S, done)
        self.world.scheduler.after(GATEWAY_WAITS_S, lambda: done(False, None))

    def _accept(self) -> tuple[Batch, int | None]:
        """Call the service as the function does."""
        api_submission = self.world.services.api_submission
        if worker := self.world.scheduler.current:
            worker.posted_file = self.body.file
        body: dict[str, Any] = {"body": list(map(_fields, self.body.file.rows))}
        if self.body.file.is_transactions:
            body["sendAs"] = "transactions"
        batch = api_submission.accept(body, self.body.key)
        return batch, None if batch.refusal else api_submission.only_job(batch)

    def _post_again(self) -> None:
        scheduler, rng = self.world.scheduler, self.world.injector.random
        if self.tries < TRIES_IN_FAULTS:
            scheduler.after(rng.choice((0.0, 1.0, 30.0, 600.0)), self.post)
        elif self.tries < 2 * TRIES_IN_FAULTS:
            passed_s = scheduler.now.timestamp() - self.world.began_at.timestamp()
            left_s = max(0.0, self.world.scenario.faults_end_s - passed_s)
            scheduler.after(left_s + CLAIM_MAY_STAND_S, self.post)
        else:
            fail("a body is answered", f"{self.body.file.key} was posted {self.tries} times")

    def _check_answer(self, batch: Batch, job_id: int | None) -> None:
        """Check that an answer is true."""
        checker = self.world.checker
        stored = checker.batches.get(batch.batch_id)
        if stored is None or checker.file_of(stored).rows != self.body.file.rows:
            fail("an answer of the API is true", f"{batch.batch_id} is not the batch of {self.body.file.key}")
        if job_id is not None and checker.model.jobs[job_id].batch_id != batch.batch_id:
            fail("an answer of the API is true", f"job {job_id} is not of {batch.batch_id}")
        self.batch_ids.add(batch.batch_id)
        if self.body.key and len(self.batch_ids) > 1:
            fail("a key makes one batch", f"{self.body.key} was answered with {sorted(self.batch_ids)}")

    def check(self) -> None:
        """Check at the end that the body was answered and is one batch."""
        made = [batch for batch in self.world.checker.batches.values() if self._is_mine(batch)]
        if not self.is_answered or not made:
            fail("a body is answered", f"{self.body.file.key}: {self.tries} tries, {len(made)} batches")
        if self.body.key and len(made) > 1:
            fail("a key makes one batch", f"{self.body.key} made {[batch.batch_id for batch in made]}")
        if not self.body.key and all(_is_repeated(batch) for batch in made):
            self._check_other(made)

    def _is_mine(self, batch: Batch) -> bool:
        return self.world.checker.file_of(batch) is self.body.file

    def _check_other(self, refused: list[Batch]) -> None:
        """Check the refusals of a body without a key: there must be an equal body that was accepted."""
        if any(batch.overlap is not None for batch in refused):
            return  # for rows of another file, as the check of refusals has seen
        batches = self.world.checker.batches.values()
        texts = {self.world.checker.file_of(batch).content for batch in batches if not batch.refusal}
        if self.body.file.content not in texts:
            fail("none is lost", f"{self.body.file.key} was only refused: {refused[0].refusal}")


def _fields(row: InputRow) -> dict[str, Any]:
    """A row as a client posts it."""
    fields: dict[str, Any] = {
        "customerId": row.customer,
        row.unit or "amount": Decimal(row.amount),
        "reason": row.reason,
    }
    if row.expiry:
        fields["expiryAfter"] = int(row.expiry)
    if row.own_id:
        fields["transactionId"] = row.own_id
    if row.time:
        fields["transactionTime"] = row.time
    return fields


def _is_repeated(batch: Batch) -> bool:
    return batch.overlap is not None or "accepted before" in batch.refusal or "being planned" in batch.refusal


@dataclass
class OtherBody:
    """Posts another body under a key that was used: it must be refused, and make no batch."""

    world: SimulatedWorld
    key: str
    invoke: Invoke

    def post(self) -> None:
        """Post once."""

        def accept() -> Batch:
            body = {"body": [{"customerId": "cust-other", "amount": Decimal("0.125")}]}
            return self.world.services.api_submission.accept(body, self.key)

        def done(is_good: bool, result: Any) -> None:
            if is_good:
                fail("a key stands for one body", f"{self.key} was taken with another body")

        self.invoke("accept_batch", accept, GATEWAY_WAITS_S, done)

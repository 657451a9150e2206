"""Takes requests for manual transactions that came as events: nobody waits, so an event tells the outcome."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from adjustments import api
from adjustments.core import exact_json, limits
from adjustments.core.errors import AdjustmentsError, GameballRefused, IdTaken, InputError
from adjustments.core.runtime import Clock
from adjustments.manual.requested import FAILED, SETTLED, read_asked
from adjustments.manual.transaction import ManualTransaction, read_manual_transaction
from adjustments.ports import Asking, Bus, FailureQueue
from adjustments.services.transacting import Added, Transactor

_REASON_CHARS_MAX: Final = 500
_FOR_GOOD: Final = (InputError, GameballRefused, IdTaken)
"""What the same event would meet again; everything else may go well later."""


Hear = Callable[[ManualTransaction, Asking], None]


class Message(NamedTuple):
    """A message of the queue, and whether it will not come again."""

    text: str
    is_last: bool


def message_of(record: Mapping[str, Any], receives_max: int) -> Message:
    """Read a record of SQS's event.

    Args:
        record: the record, as Lambda gives it.
        receives_max: how often the queue gives a message, until it moves it to the failure queue.
    """
    receives = int(record.get("attributes", {}).get("ApproximateReceiveCount", 1))
    return Message(record["body"], is_last=receives >= receives_max)


class Requester:
    """Takes messages one by one."""

    def __init__(self, transactor: Transactor, failures: FailureQueue, bus: Bus, clock: Clock) -> None:
        self._transactor = transactor
        self._failures = failures
        self._bus = bus
        self._clock = clock

    def take(self, message: Message, asking: Asking, hear: Hear) -> Exception | None:
        """Apply what a message asks for; or keep it with the reason, which is returned.

        ``hear`` is told what it is as soon as that is known.

        Raises what may pass by itself, unless the message will not come again. The event on the bus comes
        last, so that it is told twice rather than never: its receivers know it by the ``transactionId``.
        """
        fields: Mapping[str, Any] = {}
        try:
            asked = read_asked(message.text)
            fields = asked.fields
            transaction = read_manual_transaction(fields, self._clock.now())
            asking = Asking(asked.caller, asking.request_id, asking.remaining_ms)
            hear(transaction, asking)
            added = self._transactor.add(transaction, asking)
        except Exception as error:
            if not isinstance(error, _FOR_GOOD) and not message.is_last:
                raise
            self._give_up(message, fields, error, asking.request_id)
            return error
        self._bus.announce(SETTLED, _settled(added, transaction))
        return None

    def _give_up(
        self, message: Message, fields: Mapping[str, Any], error: Exception, request_id: str
    ) -> None:
        told = _told_of(error)
        reason = "".join(char if char.isprintable() else "?" for char in str(told["message"]))
        # What may pass did not, up to the last try: an earlier one may have been applied.
        outcome = "not_applied" if isinstance(error, _FOR_GOOD) else "unknown"
        attributes = {
            "reason": reason[:_REASON_CHARS_MAX],
            "status": str(told["error"]),
            "outcome": outcome,
            "requestId": request_id,
            "failedAt": self._clock.now().isoformat(),
        }
        self._failures.put(message.text, attributes)
        self._bus.announce(FAILED, {**_named(fields), **told, "outcome": outcome})


def _named(fields: Mapping[str, Any]) -> dict[str, str]:
    """By which names a request is known; it may be refused just for what it has in their place."""
    named = {name: fields.get(name) for name in ("transactionId", "customerId")}
    return {
        name: value[: limits.MANUAL_TEXT_CHARS_MAX] for name, value in named.items() if isinstance(value, str)
    }


def _told_of(error: Exception) -> dict[str, Any]:
    if isinstance(error, AdjustmentsError):
        return api.told_of(error)
    return {"error": 500, "message": f"something broke: {type(error).__name__}"}


def _settled(added: Added, transaction: ManualTransaction) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = exact_json.read(added.body)
    return {"transactionId": transaction.transaction_id, **answer, "replayed": added.is_replayed}

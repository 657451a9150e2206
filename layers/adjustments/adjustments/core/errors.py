"""The errors of the package: one tree. Code decides by class and code, never by message.

::

    AdjustmentsError
    ├── InputError                 a file, body or event is wrong; the message says what to do
    │   ├── FileRefused            a whole file is refused; nothing of it was sent
    │   │   └── FileUnreadable     the object is there, and nobody but its uploader can read it as it is
    │   └── RequestRefused         an API body or an event is refused
    │       ├── RequestTooLarge    an API body or an event is too large
    │       └── RewardRuleBroken   a body breaks one of the rules whose answer Gameball documents word by word
    ├── NotFound                   no such batch, transaction or path
    ├── WrongState                 the batch or chunk is in a state that does not allow this
    │   ├── KeyTaken               the Idempotency-Key came with another body before
    │   ├── RowsRepeated           the rows, or some of them, were accepted before; nothing was sent
    │   ├── IdTaken                the transactionId belongs to another transaction
    │   ├── IdUnclear              Gameball has the transactionId, perhaps for this very transaction
    │   └── StillInProgress        another call with this transactionId has not ended
    ├── ConfigurationError         the secret is missing or malformed
    │   └── SettingRefused         a setting is missing or malformed
    ├── PartUnavailable            a part of the stack did not answer a health check
    ├── TableUnavailable           an intent can't be written; nothing was sent
    ├── SweepUnfinished            a sweep had no time for all batches or files
    └── GameballError              a call to Gameball did not succeed
        ├── GameballRefused        understood and refused; nothing was applied
        ├── GameballThrottled      not applied; try again after a pause
        ├── GameballUnauthorized   the keys or the account are refused; not the row's fault
        ├── GameballUnavailable    nothing was sent
        └── OutcomeUnknown         it may have been sent; whether it was applied is unknown
"""


class AdjustmentsError(Exception):
    """The base of every error that this package raises on purpose."""


class InputError(AdjustmentsError):
    """A file, body or event is wrong, and the message says what to do.

    Args:
        code: a stable, machine-readable name of the problem.
        message: for people: what is wrong, where, and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class FileRefused(InputError):
    """A file is refused as a whole; nothing of it was sent."""


class FileUnreadable(FileRefused):
    """The object can't be read, now or later: it is archived, encrypted with a key of others, or deleted."""


class RequestRefused(InputError):
    """An API body or an event is refused before anything is sent."""


class RequestTooLarge(RequestRefused):
    """An API body or an event is too large."""


class RewardRuleBroken(RequestRefused):
    """A body breaks one of the four rules whose answer Gameball's documentation gives word by word."""


class NotFound(AdjustmentsError):
    """There is no batch or transaction of this id, or nothing at this path."""


class WrongState(AdjustmentsError):
    """A record is in a state that does not allow this, or was changed by another worker meanwhile."""


class KeyTaken(WrongState):
    """The Idempotency-Key came with another body before; nothing of this one was sent."""


class RowsRepeated(WrongState):
    """Rows of an API body were accepted before; nothing of it was sent.

    Args:
        message: which, and what lets them through.
        batch_id: the earlier batch.
    """

    def __init__(self, message: str, batch_id: str) -> None:
        super().__init__(message)
        self.batch_id = batch_id


class IdTaken(WrongState):
    """The transactionId belongs to another transaction; nothing was applied."""


class IdUnclear(WrongState):
    """Gameball has the transactionId, perhaps for this very transaction: try again later."""


class StillInProgress(WrongState):
    """Another call with this transactionId has not ended."""


class ConfigurationError(AdjustmentsError):
    """The secret is missing or malformed; an operator has to correct it. The message shows no key."""


class SettingRefused(ConfigurationError):
    """A setting (environment variable) of this function is missing or malformed; the message names it."""


class PartUnavailable(AdjustmentsError):
    """A part of the stack did not answer a health check; the message says why."""


class TableUnavailable(AdjustmentsError):
    """The table can't be reached for now, so that an intent can't be written; nothing was sent."""


class SweepUnfinished(AdjustmentsError):
    """A sweep had no time for all batches or files; the next one has to do the rest."""


class GameballError(AdjustmentsError):
    """A call to Gameball did not succeed.

    Args:
        message: what failed, with Gameball's own message where there is one; never a key.
        status: HTTP status, None when no answer came.
        code: Gameball's own code, None where its answer had none.
        request_id: Gameball's id of the request, None where its answer had none.
        retry_after_s: seconds to wait by Gameball's Retry-After, None where there was none.
        gameball_message: the message in Gameball's answer, None where it had none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: int | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        gameball_message: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.gameball_message = gameball_message


class GameballRefused(GameballError):
    """Gameball understood the request and refused it; nothing was applied."""


class GameballThrottled(GameballError):
    """Gameball limits the rate of requests; nothing was applied."""


class GameballUnauthorized(GameballError):
    """Gameball refuses the keys, or the account lacks the feature; nothing was applied."""


class GameballUnavailable(GameballError):
    """No connection could be made; nothing was sent."""


class OutcomeUnknown(GameballError):
    """The request may have been sent; whether it was applied is unknown. Never resend it automatically."""

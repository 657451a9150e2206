"""The errors of the bundle, one small tree; code dispatches on the type and the code, never on the message.

::

    AdjustmentsError
    ├── InputError                 what somebody gave us is wrong; the message says what to do
    │   ├── FileRefused            a whole file is refused; nothing of it was sent
    │   │   └── NotUtf8            not valid UTF-8: read the file again as Windows-1252
    │   └── RequestRefused         an API body or an event is refused
    │       └── RequestTooLarge    an API body or an event is larger than any that makes sense
    ├── NotFound                   no such batch
    ├── WrongState                 the batch or chunk is in a state that does not allow this
    │   ├── IdTaken                the transactionId belongs to another transaction
    │   ├── IdUnclear              Gameball has the transactionId, perhaps for this very transaction
    │   └── StillInProgress        another call with this transactionId has not ended
    ├── ConfigurationError         the secret or a setting is missing or malformed
    ├── TableUnavailable           what is about to be done can't be written down; nothing was sent
    └── GameballError              a call to Gameball did not succeed
        ├── GameballRefused        understood and refused; nothing was applied
        ├── GameballThrottled      not applied; try again after a pause
        ├── GameballUnauthorized   our keys or our account are refused; no fault of the row
        ├── GameballUnavailable    nothing was sent
        └── OutcomeUnknown         it may have been sent, and nobody can say whether it was applied
"""


class AdjustmentsError(Exception):
    """The base of every error that this package raises on purpose."""


class InputError(AdjustmentsError):
    """Something given to us is wrong, and the message says what to do.

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


class NotUtf8(FileRefused):
    """The file is not valid UTF-8; it may be read again as Windows-1252."""


class RequestRefused(InputError):
    """An API body or an event is refused before anything is sent."""


class RequestTooLarge(RequestRefused):
    """An API body or an event is larger than any that makes sense."""


class NotFound(AdjustmentsError):
    """There is no batch of this id."""


class WrongState(AdjustmentsError):
    """The record is in a state that does not allow what was asked, or somebody else was quicker."""


class IdTaken(WrongState):
    """The transactionId belongs to another transaction; nothing was applied."""


class IdUnclear(WrongState):
    """Gameball has the transactionId, and can't show whether for this very transaction: ask again later."""


class StillInProgress(WrongState):
    """Another call with this transactionId has not ended."""


class ConfigurationError(AdjustmentsError):
    """The secret or a setting is missing or malformed; an operator has to mend it."""


class TableUnavailable(AdjustmentsError):
    """The table can't be reached for now, so what is to be done can't be written down; nothing was sent."""


class GameballError(AdjustmentsError):
    """A call to Gameball did not succeed.

    Args:
        message: what Gameball, or the connection, said; never a key.
        status: HTTP status, None when no answer came.
        code: Gameball's own code, None where its answer had none.
        request_id: Gameball's id of the request, None where its answer had none.
        retry_after_s: seconds that Gameball asked us to wait, None when it did not say.
        gameball_message: the words of Gameball's answer, None where it had none.
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
    """Gameball wants us to wait; nothing was applied."""


class GameballUnauthorized(GameballError):
    """Gameball refuses our keys, or our account lacks the feature; nothing was applied."""


class GameballUnavailable(GameballError):
    """No connection could be made; nothing was sent."""


class OutcomeUnknown(GameballError):
    """The request may have been sent, and nobody knows whether it was applied: never resend it unasked."""

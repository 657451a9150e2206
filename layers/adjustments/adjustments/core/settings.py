"""The settings of a function: one pydantic model for each group of environment variables.

A function has only the variables that it uses (template.yaml, ``Environment``), so each group is read when it
is first needed. Services read their groups when they are built, before any work: a missing or malformed
variable stops the function there, and the error names it.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Json, ValidationError

from adjustments.core.errors import SettingRefused


def _check_encoding(name: str) -> str:
    if name:
        try:
            b"a".decode(name)
        except LookupError:
            raise ValueError("Python knows no such encoding") from None
        except UnicodeError:
            pass  # one that takes two bytes for a character
    return name.lower()


Count = Annotated[int, Field(ge=0)]


class _Group(BaseModel):
    """A group of variables that are read together."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", validate_by_name=False, validate_by_alias=True, defer_build=True
    )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Read the group.

        Raises:
            SettingRefused: names each variable that is missing or malformed.
        """
        try:
            return cls.model_validate(environment)
        except ValidationError as error:
            problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
            raise SettingRefused(f"environment variables of this function: {problems}") from None


class StackSettings(_Group):
    """Which stack this function belongs to."""

    name: str = Field(alias="STACK_NAME", min_length=1)


class TableSettings(_Group):
    """The table."""

    name: str = Field(alias="TABLE_NAME", min_length=1)


class BucketSettings(_Group):
    """The bucket."""

    name: str = Field(alias="BUCKET_NAME", min_length=1)


class IntakeSettings(_Group):
    """The intake queue."""

    queue_url: str = Field(alias="INTAKE_QUEUE_URL", min_length=1)


class StateMachineSettings(_Group):
    """The state machine that polls jobs."""

    arn: str = Field(alias="STATE_MACHINE_ARN", min_length=1)


class TopicSettings(_Group):
    """The topic for people."""

    arn: str = Field(alias="TOPIC_ARN", min_length=1)

    @property
    def region(self) -> str:
        """The region of the stack."""
        return self.arn.split(":")[3]

    @property
    def partition(self) -> str:
        """The AWS partition of the stack."""
        return self.arn.split(":")[1]


class EventBusSettings(_Group):
    """The event bus."""

    name: str = Field(alias="EVENT_BUS_NAME", min_length=1)


class GameballSettings(_Group):
    """How Gameball is called.

    ``requests_per_30_s`` is the limit of calls for each kind of resource.
    """

    secret_id: str = Field(alias="SECRET_ID", min_length=1)
    base_url: str = Field(alias="GAMEBALL_BASE_URL", min_length=1)
    api_version: Literal["v4.0", "v4.1"] = Field(alias="GAMEBALL_API_VERSION")
    requests_per_30_s: int = Field(alias="REQUESTS_PER_30_SECONDS", ge=1)


class StatusDialectSettings(_Group):
    """Which dialect of the job status the account answers."""

    dialect: Literal["auto", "guide", "openapi"] = Field(alias="GAMEBALL_STATUS_DIALECT", default="auto")


class SendingSettings(_Group):
    """When sending stops: the percentage of failed rows that it takes."""

    failure_percent_max: int = Field(alias="MAX_FAILURE_PERCENT", ge=0, le=100)


class PlanningSettings(_Group):
    """The limits that refuse or hold a file, 0 for none; how files are read and sent that do not say it."""

    amount_max: Decimal = Field(alias="MAX_ABSOLUTE_AMOUNT", ge=0)
    canary_rows: Count = Field(alias="CANARY_ROWS")
    approval_above_rows: Count = Field(alias="APPROVAL_ABOVE_ROWS")
    approval_above_total: Decimal = Field(alias="APPROVAL_ABOVE_TOTAL", ge=0)
    hold_overlap_percent: int = Field(alias="HOLD_OVERLAP_PERCENT", ge=0, le=100)
    adds_token: bool = Field(alias="REASON_TOKEN")
    default_encoding: Annotated[str, AfterValidator(_check_encoding)] = Field(alias="DEFAULT_ENCODING")
    send_as: Literal["auto", "batch", "transactions"] = Field(alias="SEND_AS")
    default_reason: str = Field(alias="DEFAULT_REASON")
    default_username: str = Field(alias="DEFAULT_USERNAME")


class ApprovalSettings(_Group):
    """Whether people may approve a batch that they submitted themselves."""

    approver_may_be_uploader: bool = Field(alias="APPROVER_MAY_BE_UPLOADER")


class ReconciliationSettings(_Group):
    """How long after its request Gameball may still apply a row, in minutes."""

    quiet_minutes: Count = Field(alias="QUIET_MINUTES")


class CheckedResources(BaseModel):
    """The parts of the stack that a health check looks at: by its name, where each is in AWS."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_alias=True, defer_build=True)

    functions: Mapping[str, str]
    topics: Mapping[str, str]
    schedules: Mapping[str, str]
    queues: Mapping[str, str]
    failure_queues: Mapping[str, str] = Field(alias="failureQueues")


class HealthSettings(_Group):
    """What a health check looks at."""

    resources: Json[CheckedResources] = Field(alias="CHECKED_RESOURCES")


class ManualTransactionSettings(_Group):
    """Settings of manual transactions only.

    ``amount_max`` is 0 for no limit; ``receives_max`` is how often the queue delivers a message before it
    goes to the failure queue.
    """

    failure_queue_url: str = Field(alias="FAILURE_QUEUE_URL", min_length=1)
    amount_max: Decimal = Field(alias="MAX_MANUAL_AMOUNT", ge=0)
    masks_customer_ids: bool = Field(alias="MASK_CUSTOMER_IDS")
    receives_max: int = Field(alias="RECEIVES_MAX", ge=1)


class Settings:
    """All groups of one environment, each read at its first use."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    @cached_property
    def stack(self) -> StackSettings:
        """See ``StackSettings``."""
        return StackSettings.read(self._environment)

    @cached_property
    def table(self) -> TableSettings:
        """See ``TableSettings``."""
        return TableSettings.read(self._environment)

    @cached_property
    def bucket(self) -> BucketSettings:
        """See ``BucketSettings``."""
        return BucketSettings.read(self._environment)

    @cached_property
    def intake(self) -> IntakeSettings:
        """See ``IntakeSettings``."""
        return IntakeSettings.read(self._environment)

    @cached_property
    def state_machine(self) -> StateMachineSettings:
        """See ``StateMachineSettings``."""
        return StateMachineSettings.read(self._environment)

    @cached_property
    def topic(self) -> TopicSettings:
        """See ``TopicSettings``."""
        return TopicSettings.read(self._environment)

    @cached_property
    def event_bus(self) -> EventBusSettings:
        """See ``EventBusSettings``."""
        return EventBusSettings.read(self._environment)

    @cached_property
    def gameball(self) -> GameballSettings:
        """See ``GameballSettings``."""
        return GameballSettings.read(self._environment)

    @cached_property
    def status_dialect(self) -> StatusDialectSettings:
        """See ``StatusDialectSettings``."""
        return StatusDialectSettings.read(self._environment)

    @cached_property
    def sending(self) -> SendingSettings:
        """See ``SendingSettings``."""
        return SendingSettings.read(self._environment)

    @cached_property
    def planning(self) -> PlanningSettings:
        """See ``PlanningSettings``."""
        return PlanningSettings.read(self._environment)

    @cached_property
    def approval(self) -> ApprovalSettings:
        """See ``ApprovalSettings``."""
        return ApprovalSettings.read(self._environment)

    @cached_property
    def reconciliation(self) -> ReconciliationSettings:
        """See ``ReconciliationSettings``."""
        return ReconciliationSettings.read(self._environment)

    @cached_property
    def manual_transactions(self) -> ManualTransactionSettings:
        """See ``ManualTransactionSettings``."""
        return ManualTransactionSettings.read(self._environment)

    @cached_property
    def health(self) -> HealthSettings:
        """See ``HealthSettings``."""
        return HealthSettings.read(self._environment)

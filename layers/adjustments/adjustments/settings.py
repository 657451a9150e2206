"""The settings of a function, from its environment; the template sets them all."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Names of resources, and the template's parameters; a function is given only what it needs."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    table: str = Field("", alias="TABLE_NAME")
    bucket: str = Field("", alias="BUCKET_NAME")
    secret: str = Field("", alias="SECRET_ID")
    stack: str = Field("", alias="STACK_NAME")
    topic_arn: str = Field("", alias="TOPIC_ARN")
    event_bus: str = Field("", alias="EVENT_BUS_NAME")
    failure_queue_url: str = Field("", alias="FAILURE_QUEUE_URL")
    masks_customer_ids: bool = Field(True, alias="MASK_CUSTOMER_IDS")
    receives_max: int = Field(5, alias="RECEIVES_MAX")
    state_machine_arn: str = Field("", alias="STATE_MACHINE_ARN")
    gameball_base_url: str = Field("", alias="GAMEBALL_BASE_URL")
    gameball_api_version: Literal["v4.0", "v4.1"] = Field("v4.0", alias="GAMEBALL_API_VERSION")
    gameball_status_dialect: Literal["auto", "guide", "openapi"] = Field(
        "auto", alias="GAMEBALL_STATUS_DIALECT"
    )
    amount_max: Decimal = Field(Decimal(0), alias="MAX_ABSOLUTE_AMOUNT")
    approval_above_rows: int = Field(0, alias="APPROVAL_ABOVE_ROWS")
    approval_above_total: Decimal = Field(Decimal(0), alias="APPROVAL_ABOVE_TOTAL")
    adds_token: bool = Field(False, alias="REASON_TOKEN")
    quiet_minutes: int = Field(60, alias="QUIET_MINUTES", ge=0)
    canary_rows: int = Field(0, alias="CANARY_ROWS")
    failure_percent_max: int = Field(100, alias="MAX_FAILURE_PERCENT")
    requests_per_30_s: int = Field(350, alias="REQUESTS_PER_30_SECONDS", gt=0)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises pydantic's ValidationError for what the template would not let through."""
    return Settings.model_validate(dict(environment))

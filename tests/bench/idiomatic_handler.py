"""What cold starts are compared with: a function of one route, written as Powertools' documentation shows it.

It takes the body of a manual transaction, and makes the AWS clients that ``AWS_CLIENTS`` names.
"""

import os
from typing import Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

logger = Logger()
metrics = Metrics()
app = APIGatewayRestResolver()
clients: list[Any] = [boto3.client(name) for name in os.environ["AWS_CLIENTS"].split()]  # type: ignore[call-overload]


class ManualTransaction(BaseModel):
    """The body of POST /transactions/manual."""

    customerId: str  # noqa: N815 - the name in the body
    transactionId: str  # noqa: N815
    username: str
    reason: str
    email: str | None = None
    mobile: str | None = None
    transactionTime: str | None = None  # noqa: N815
    points: int | None = None
    amount: float | None = None
    expiryAfter: int | None = None  # noqa: N815


@app.post("/transactions/manual")
def add_manual_transaction() -> dict[str, str]:
    """Add a manual transaction."""
    transaction = ManualTransaction.model_validate(app.current_event.json_body)
    logger.info("manual transaction added", transaction_id=transaction.transactionId)
    metrics.add_metric(name="ManualTransactions", unit=MetricUnit.Count, value=1)
    return {"transactionId": transaction.transactionId}


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one call."""
    return app.resolve(event, context)

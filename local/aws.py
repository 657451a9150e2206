"""Clients of one AWS endpoint, and signed calls of the application's API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from mypy_boto3_apigateway import APIGatewayClient
from mypy_boto3_cloudformation import CloudFormationClient
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_events import EventBridgeClient
from mypy_boto3_iam import IAMClient
from mypy_boto3_lambda import LambdaClient
from mypy_boto3_logs import CloudWatchLogsClient
from mypy_boto3_s3 import S3Client
from mypy_boto3_scheduler import EventBridgeSchedulerClient
from mypy_boto3_secretsmanager import SecretsManagerClient
from mypy_boto3_sns import SNSClient
from mypy_boto3_sqs import SQSClient
from mypy_boto3_stepfunctions import SFNClient

from local.environment import ACCESS_KEY, SECRET_KEY

_API_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """An answer of the application's API."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, with exact numbers."""
        return json.loads(self.body, parse_float=Decimal)


class Aws:
    """The clients of one AWS endpoint with the keys of one caller; each is created when first used.

    Args:
        endpoint: scheme, host and port.
        region: of the clients.
        ca_bundle: the certificate to trust, where the endpoint's is self-signed.
        keys: the caller's access key and secret key; the root account's by default.
    """

    def __init__(
        self,
        endpoint: str,
        region: str,
        ca_bundle: Path | None = None,
        keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY),
    ) -> None:
        self.endpoint = endpoint
        self.region = region
        self.ca_bundle = ca_bundle
        self._keys = keys
        self._session = boto3.Session(*keys, region_name=region)
        self._http = urllib3.PoolManager(ca_certs=str(ca_bundle)) if ca_bundle else urllib3.PoolManager()
        # Long read time-out, since an answer may include a cold start. No retries, which would hide failures
        # from tests.
        self._config = Config(
            read_timeout=120, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}
        )

    def as_caller(self, access_key: str, secret_key: str) -> Self:
        """The same endpoint with the keys of another caller."""
        return type(self)(self.endpoint, self.region, self.ca_bundle, (access_key, secret_key))

    def client(self, service: str) -> Any:
        """Create a client of any service; the properties below have types."""
        verify = str(self.ca_bundle) if self.ca_bundle else None
        return self._session.client(  # type: ignore[call-overload]
            service, endpoint_url=self.endpoint, config=self._config, verify=verify
        )

    @cached_property
    def apigateway(self) -> APIGatewayClient:
        """API Gateway."""
        client: APIGatewayClient = self.client("apigateway")
        return client

    @cached_property
    def cloudformation(self) -> CloudFormationClient:
        """CloudFormation."""
        client: CloudFormationClient = self.client("cloudformation")
        return client

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        """DynamoDB."""
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @cached_property
    def events(self) -> EventBridgeClient:
        """EventBridge."""
        client: EventBridgeClient = self.client("events")
        return client

    @cached_property
    def functions(self) -> LambdaClient:
        """Lambda."""
        client: LambdaClient = self.client("lambda")
        return client

    @cached_property
    def iam(self) -> IAMClient:
        """IAM."""
        client: IAMClient = self.client("iam")
        return client

    @cached_property
    def logs(self) -> CloudWatchLogsClient:
        """CloudWatch Logs."""
        client: CloudWatchLogsClient = self.client("logs")
        return client

    @cached_property
    def s3(self) -> S3Client:
        """S3."""
        client: S3Client = self.client("s3")
        return client

    @cached_property
    def scheduler(self) -> EventBridgeSchedulerClient:
        """EventBridge Scheduler."""
        client: EventBridgeSchedulerClient = self.client("scheduler")
        return client

    @cached_property
    def secrets(self) -> SecretsManagerClient:
        """Secrets Manager."""
        client: SecretsManagerClient = self.client("secretsmanager")
        return client

    @cached_property
    def sns(self) -> SNSClient:
        """SNS."""
        client: SNSClient = self.client("sns")
        return client

    @cached_property
    def sqs(self) -> SQSClient:
        """SQS."""
        client: SQSClient = self.client("sqs")
        return client

    @cached_property
    def stepfunctions(self) -> SFNClient:
        """Step Functions."""
        client: SFNClient = self.client("stepfunctions")
        return client

    def call_api(
        self,
        api_url: str,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        is_signed: bool = True,
    ) -> ApiAnswer:
        """Call the REST API of the stack's output ``ApiUrl`` at its local address.

        Args:
            api_url: https://<apiId>.execute-api.<region>.amazonaws.com/<stage>
            method: GET, POST, …
            path: the path below the stage, with the query.
            body: bytes and text are sent unchanged, anything else as JSON.
            headers: further headers, which are signed, too.
            is_signed: False sends no signature.
        """
        url = f"{self.local_api_url(api_url)}{path}"
        request = AWSRequest(
            method,
            url,
            headers={"Content-Type": "application/json", **(headers or {})},
            data=_encoded(body),
        )
        if is_signed:
            SigV4Auth(Credentials(*self._keys), "execute-api", self.region).add_auth(request)
        answer = self._http.request(
            method,
            url,
            headers=dict(request.headers.items()),
            body=_encoded(body),
            timeout=_API_TIMEOUT_S,
            retries=False,
        )
        return ApiAnswer(answer.status, dict(answer.headers), answer.data)

    def local_api_url(self, api_url: str) -> str:
        """The local address of the API of the stack's output ``ApiUrl``."""
        parts = urlsplit(api_url)
        api_id = (parts.hostname or "").split(".", 1)[0]
        return f"{self.endpoint}/restapis/{api_id}{parts.path.rstrip('/')}/_user_request_"


def _encoded(body: object) -> bytes:
    if body is None:
        return b""
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()

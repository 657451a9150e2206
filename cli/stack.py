"""The deployed stack: finds it with the user's credentials, reads its outputs, makes clients."""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from cli.errors import ServiceError, UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_STACK: Final = "gameball-adjustments-dev"
"""Not production, which has to be named."""

LOCAL_STACK: Final = "gameball-adjustments-local"
LOCAL_STATE: Final = Path(__file__).resolve().parent.parent / ".local" / "stack.json"
"""Written by `make up` (local/server.py)."""

_AWS_HOST: Final = ".amazonaws.com"
_CONFIG: Final = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 4},
    # An endpoint on this machine has no host name for each bucket.
    s3={"addressing_style": "auto"},
)
_CONFIG_ONCE: Final = _CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))


@dataclass(frozen=True, slots=True)
class StackSelection:
    """The options that select a stack."""

    stack: str | None = None
    profile: str | None = None
    region: str | None = None
    is_local: bool = False

    def as_options(self) -> str:
        """The same selection as options of a command line."""
        named = {"--stack": self.stack, "--profile": self.profile, "--region": self.region}
        options = [f" {name} {shlex.quote(value)}" for name, value in named.items() if value]
        return "".join([*options, *([" --local"] if self.is_local else [])])


class Stack:
    """A deployed stack: its outputs, bucket and API."""

    def __init__(
        self,
        session: boto3.Session,
        name: str | None,
        endpoint: str | None = None,
        ca_bundle: str | None = None,
    ) -> None:
        self.session = session
        self.ca_bundle = ca_bundle or os.environ.get("AWS_CA_BUNDLE")
        self._endpoint = endpoint
        self._name = name

    @classmethod
    def at(cls, selection: StackSelection) -> "Stack":
        """Select the stack.

        Raises:
            UsageError: no region is known.
            ServiceError: the profile can't be used, or no local stack is up.
        """
        if selection.is_local:
            return cls._of_make_up(selection)
        try:
            session = boto3.Session(profile_name=selection.profile, region_name=selection.region)
        except BotoCoreError as error:
            raise ServiceError(str(error)) from None
        if session.region_name is None:
            raise UsageError("no AWS region: set --region, AWS_REGION or the region of your profile")
        return cls(session, selection.stack)

    @classmethod
    def _of_make_up(cls, selection: StackSelection) -> "Stack":
        try:
            state = json.loads(LOCAL_STATE.read_bytes())
        except FileNotFoundError:
            raise ServiceError("no local stack is running: start it with `make up`") from None
        # The local root account's keys; these are not secret.
        session = boto3.Session("test", "test", region_name=state["region"])
        return cls(session, selection.stack, state["endpoint"], state.get("caBundle"))

    @cached_property
    def name(self) -> str:
        """The name of the CloudFormation stack."""
        return self._name or (LOCAL_STACK if self._is_emulated else DEFAULT_STACK)

    @property
    def region(self) -> str:
        """The stack's region."""
        return str(self.session.region_name)

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the stack; raises ServiceError where there is no such stack."""
        outputs = self._described.get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    @property
    def parameters(self) -> Mapping[str, str]:
        """The values of the stack's parameters; raises ServiceError where there is no such stack."""
        parameters = self._described.get("Parameters", [])
        return {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in parameters}

    @property
    def status(self) -> str:
        """The status of the stack in CloudFormation; raises ServiceError where there is no such stack."""
        return str(self._described["StackStatus"])

    @cached_property
    def _described(self) -> Mapping[str, Any]:
        try:
            found: Mapping[str, Any] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                raise ServiceError(
                    f"there is no stack {self.name} in {self.region}: check --stack, --region and --profile"
                ) from None
            raise
        return found

    def output(self, name: str) -> str:
        """One output; raises ServiceError where the stack is another application's."""
        try:
            return self.outputs[name]
        except KeyError:
            raise ServiceError(
                f"the stack {self.name} has no output {name}: check that it is a stack of this application"
            ) from None

    @property
    def bucket(self) -> str:
        """The bucket for files and results."""
        return self.output("BucketName")

    @cached_property
    def s3(self) -> "S3Client":
        """The S3 client."""
        client: S3Client = self._client("s3")
        return client

    @cached_property
    def s3_without_retries(self) -> "S3Client":
        """An S3 client that makes each call once: a call that broke off may have taken effect."""
        client: S3Client = self._client("s3", _CONFIG_ONCE)
        return client

    @cached_property
    def caller_identity(self) -> str:
        """The IAM identity (ARN) of these credentials, as AWS reports it; empty where that fails.

        GetCallerIdentity needs no permission (AWS Security Token Service API Reference).
        """
        try:
            return str(self._client("sts").get_caller_identity()["Arn"])
        except (BotoCoreError, ClientError, ResponseParserError):
            return ""

    @property
    def api_url(self) -> str:
        """The address of the API; on this machine, that of the emulator instead of the host at AWS."""
        url = self.output("ApiUrl").rstrip("/")
        if not self._is_emulated:
            return url
        parts = urlsplit(url)
        api_id = (parts.hostname or "").split(".", 1)[0]
        return f"{self._cloudformation.meta.endpoint_url}/restapis/{api_id}{parts.path}/_user_request_"

    def is_link_to(self, url: str, key: str) -> bool:
        """Whether a link leads to an object of this stack's bucket, and nowhere else."""
        endpoint = self._cloudformation.meta.endpoint_url if self._is_emulated else None
        return leads_to(url, key, bucket=self.bucket, region=self.region, endpoint=endpoint)

    @property
    def _is_emulated(self) -> bool:
        """Whether the configuration names another endpoint than AWS (AWS_ENDPOINT_URL)."""
        host = urlsplit(self._cloudformation.meta.endpoint_url).hostname or ""
        return not host.removesuffix(".cn").endswith(_AWS_HOST)

    @cached_property
    def _cloudformation(self) -> Any:
        return self._client("cloudformation")

    def _client(self, service: str, config: Config = _CONFIG) -> Any:
        return self.session.client(  # type: ignore[call-overload]
            service, endpoint_url=self._endpoint, config=config, verify=self.ca_bundle
        )


def leads_to(url: str, key: str, *, bucket: str, region: str, endpoint: str | None) -> bool:
    """Whether a link leads to an object of a bucket, in one of the forms that S3 has for its address.

    Args:
        url: the link.
        key: the object's key.
        bucket: the bucket's name.
        region: its region.
        endpoint: the emulator's address; None for AWS.
    """
    try:
        link, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return False
    paths = {"": f"/{bucket}/{quote(key)}", f"{bucket}.": f"/{quote(key)}"}
    if endpoint:
        expected = urlsplit(endpoint)
        hosts = {expected.hostname or ""}
        is_same = (link.scheme, port) == (expected.scheme, expected.port)
    else:
        hosts = {f"s3{place}{_AWS_HOST}{cn}" for place in (f".{region}", "") for cn in ("", ".cn")}
        is_same = link.scheme == "https" and port in (None, 443)
    if not is_same or link.username is not None or link.password is not None:
        return False
    return any(
        link.hostname == f"{before}{host}" and link.path == path
        for before, path in paths.items()
        for host in hosts
    )

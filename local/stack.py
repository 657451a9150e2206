"""The application on one machine: Gameball stand-in, AWS emulator, and the template deployed to it."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from local import environment
from local.aws import ApiAnswer, Aws
from local.certificate import make_certificate
from local.emulator import scale_waits, start_emulator
from local.environment import ACCESS_KEY, REGION, SECRET_KEY
from local.processes import SupervisedProcess, exit_on_sigterm, ignore_stop_signals
from local.sam import Sam, deployment_settings
from local.standin_client import STANDIN_KEYS, Keys, StandInClient, start_standin
from local.workspace import create_workspace, ignore_progress


@dataclass(frozen=True, slots=True)
class Gameball:
    """A Gameball account: its address and keys."""

    base_url: str
    keys: Keys


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Settings of a local stack."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Template parameters, besides those that the stack sets itself."""
    standin_options: tuple[str, ...] = ()
    """Options of ``python -m local.standin``."""
    gameball: Gameball | None = None
    """Another Gameball than the stand-in, which is then not started."""
    build_folder: Path = environment.BUILD_FOLDER
    """Stacks can share it: they build and deploy one after another."""
    report_step: Callable[[str], None] = ignore_progress
    """Called with a line about each step."""


def describe_start(gameball: Gameball | None) -> str:
    """Describe what is started, and where adjustments go."""
    if gameball is None:
        return "starting MiniStack and the Gameball stand-in"
    return f"starting MiniStack; adjustments go to {gameball.base_url}, not to the stand-in"


class LocalStack:
    """A running stack; ``running`` starts and stops it."""

    def __init__(self, settings: StackSettings, folder: Path) -> None:
        self.folder = folder
        self.outputs: Mapping[str, str] = {}
        self._settings = settings
        self._sam = Sam(settings.build_folder, folder / "sam.log")
        self._aws: Aws | None = None
        self._gameball = settings.gameball
        self._standin: StandInClient | None = None
        self._programs: list[SupervisedProcess] = []

    @classmethod
    @contextmanager
    def running(cls, settings: StackSettings | None = None) -> Iterator[Self]:
        """Run a stack for the duration of the block.

        Its programs and files are removed when the block ends, also by an exception or SIGTERM. If this
        process is killed, the supervisors stop the programs, and the next start removes the files.
        """
        settings = settings or StackSettings()
        with (
            exit_on_sigterm(),
            create_workspace(environment.STATE, settings.report_step) as folder,
            ExitStack() as cleanup,
        ):
            stack = cls(settings, folder)
            try:
                stack._start(cleanup)
                yield stack
            finally:
                ignore_stop_signals()

    @property
    def aws(self) -> Aws:
        """The clients of this stack's AWS."""
        if self._aws is None:
            raise LookupError("MiniStack has not been started")
        return self._aws

    @property
    def has_standin(self) -> bool:
        """Whether this stack sends adjustments to its stand-in."""
        return self._standin is not None

    @property
    def standin(self) -> StandInClient:
        """Client of the stand-in's admin API."""
        if self._standin is None:
            raise LookupError("this stack has no stand-in; it uses another Gameball")
        return self._standin

    @property
    def gameball(self) -> Gameball:
        """The Gameball that this stack sends adjustments to."""
        if self._gameball is None:
            raise LookupError("the stand-in has not been started")
        return self._gameball

    @property
    def name(self) -> str:
        """The name of the CloudFormation stack."""
        return str(deployment_settings()["stack_name"])

    def deploy(self, parameters: Mapping[str, str] | None = None) -> None:
        """Build and deploy, with further parameters; a changed API gets another address."""
        report_step = self._settings.report_step
        together = {
            "GameballBaseUrl": self.gameball.base_url,
            **self._settings.parameters,
            **(parameters or {}),
        }
        with self._sam.exclusive_use():
            report_step("sam build")
            self._sam.build()
            report_step("sam deploy")
            self._sam.deploy(self.aws, together)
        self.outputs = self._read_outputs()

    def store_keys(self, keys: Keys) -> None:
        """Store the two Gameball keys in the secret."""
        secret = json.dumps({"apiKey": keys.api_key, "secretKey": keys.secret_key})
        self.aws.secrets.put_secret_value(SecretId=self.outputs["SecretName"], SecretString=secret)

    def call_api(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        is_signed: bool = True,
    ) -> ApiAnswer:
        """Call the API of the application, with a signature of AWS_IAM."""
        return self.aws.call_api(self.outputs["ApiUrl"], method, path, body, headers, is_signed=is_signed)

    def command_environment(self, keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY)) -> dict[str, str]:
        """The environment in which `adjust` uses this stack, with the keys of who types it."""
        return {
            "PATH": environment.search_path(),
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": self.aws.endpoint,
            "AWS_DEFAULT_REGION": self.aws.region,
            "AWS_ACCESS_KEY_ID": keys[0],
            "AWS_SECRET_ACCESS_KEY": keys[1],
            "AWS_CA_BUNDLE": str(self.aws.ca_bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def scale_waits(self, factor: float) -> None:
        """Scale the waits of state machines (0.1: a tenth), from the next wait on."""
        scale_waits(self.aws.endpoint, factor, self.aws.ca_bundle)

    def fire_schedule(self, logical_id: str) -> str:
        """Trigger a deployed schedule now, by a one-time schedule with the same target.

        Returns:
            The expression of the deployed schedule.
        """
        scheduler = self.aws.scheduler
        deployed = scheduler.get_schedule(Name=self.physical_id(logical_id))
        scheduler.create_schedule(
            Name=f"{logical_id}-{uuid.uuid4()}",
            ScheduleExpression=f"at({datetime.now(UTC):%Y-%m-%dT%H:%M:%S})",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=deployed["Target"],
            ActionAfterCompletion="DELETE",
        )
        return deployed["ScheduleExpression"]

    def physical_id(self, logical_id: str) -> str:
        """The physical id of a resource of the template."""
        found = self.aws.cloudformation.describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return found["StackResourceDetail"]["PhysicalResourceId"]

    def function_logs(self, logical_id: str) -> str:
        """The log of a function of the template, oldest line first."""
        name = self.physical_id(logical_id)
        logging = self.aws.functions.get_function_configuration(FunctionName=name).get("LoggingConfig", {})
        pages = self.aws.logs.get_paginator("filter_log_events").paginate(
            logGroupName=logging.get("LogGroup", f"/aws/lambda/{name}")
        )
        try:
            return "\n".join(event["message"].rstrip() for page in pages for event in page["events"])
        except self.aws.logs.exceptions.ResourceNotFoundException:
            return ""  # the log group is created by the first invocation

    def all_function_logs(self) -> dict[str, str]:
        """The logs of all functions by logical id."""
        pages = self.aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        names = [
            resource["LogicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        ]
        return {name: self.function_logs(name) for name in names}

    def ended_program(self) -> str | None:
        """The name of a program of the stack that has ended by itself, if any."""
        return next((program.name for program in self._programs if not program.is_running), None)

    def program_logs(self) -> dict[str, str]:
        """The output of the stand-in, MiniStack and SAM."""
        return {path.stem: path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))}

    def _start(self, cleanup: ExitStack) -> None:
        self._settings.report_step(describe_start(self._gameball))
        if self._gameball is None:
            child, self._standin = start_standin(self.folder, self._settings.standin_options)
            self._programs.append(cleanup.enter_context(child))
            self._gameball = Gameball(self._standin.base_url, STANDIN_KEYS)
        certificate = make_certificate(self.folder / "tls")
        child, endpoint = start_emulator(self.folder, certificate)
        self._programs.append(cleanup.enter_context(child))
        self._aws = Aws(endpoint, REGION, certificate.path)
        # Created here, so that SAM does not deploy a stack of its own for it.
        self._make_bucket(str(deployment_settings()["s3_bucket"]))
        self.deploy()
        self.store_keys(self.gameball.keys)

    def _make_bucket(self, name: str) -> None:
        self.aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def _read_outputs(self) -> dict[str, str]:
        found = self.aws.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

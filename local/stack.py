"""The whole bundle on one machine: Gameball stand-in, AWS emulator, and the real template deployed to it."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from local import environment
from local.aws import ApiAnswer, Aws
from local.certificate import make_certificate
from local.emulator import scale_waits, start_emulator
from local.environment import REGION
from local.processes import SupervisedProcess, exit_on_sigterm, ignore_stop_signals
from local.sam import Sam, deployment_settings
from local.standin_client import STANDIN_KEYS, Keys, StandInClient, start_standin
from local.workspace import create_workspace, ignore_progress


@dataclass(frozen=True, slots=True)
class Gameball:
    """The Gameball that a stack talks to."""

    base_url: str
    keys: Keys


@dataclass(frozen=True, slots=True)
class StackSettings:
    """How a local stack is to be."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Template parameters besides those that the stack finds out by itself."""
    standin_options: tuple[str, ...] = ()
    """Further options of ``python -m local.standin``."""
    gameball: Gameball | None = None
    """Another Gameball than the stand-in, which is then not started."""
    build_folder: Path = environment.ROOT / ".aws-sam"
    """Stacks may share it: they take turns in building and deploying."""
    announce: Callable[[str], None] = ignore_progress
    """Called with a line about each step, for people who wait."""


def describe_start(gameball: Gameball | None) -> str:
    """Say what is started, and where adjustments go."""
    if gameball is None:
        return "starting MiniStack and the Gameball stand-in"
    return f"starting MiniStack; adjustments go to {gameball.base_url}, not to the stand-in"


class LocalStack:
    """A running stack, and what tests, the demo and people do with it. ``running`` starts and stops it."""

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
        """Start a stack for as long as the block lasts, and leave nothing running behind, however it ends.

        Its programs are stopped when the block is left, also by an exception or by SIGTERM. Should this
        process be killed, their supervisors see it and stop them.
        """
        settings = settings or StackSettings()
        with (
            exit_on_sigterm(),
            create_workspace(environment.STATE, settings.announce) as folder,
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
        """Whether adjustments go to the stand-in of this stack."""
        return self._standin is not None

    @property
    def standin(self) -> StandInClient:
        """The stand-in's side door."""
        if self._standin is None:
            raise LookupError("this stack talks to another Gameball than the stand-in")
        return self._standin

    @property
    def gameball(self) -> Gameball:
        """Where this stack sends adjustments to."""
        if self._gameball is None:
            raise LookupError("the stand-in has not been started")
        return self._gameball

    @property
    def name(self) -> str:
        """The name of the CloudFormation stack."""
        return str(deployment_settings()["stack_name"])

    def deploy(self, parameters: Mapping[str, str] | None = None) -> None:
        """Build and deploy, with further parameters; what the stack holds stays, a changed API moves."""
        announce = self._settings.announce
        together = {
            "GameballBaseUrl": self.gameball.base_url,
            **self._settings.parameters,
            **(parameters or {}),
        }
        with self._sam.alone():
            announce("sam build")
            self._sam.build()
            announce("sam deploy")
            self._sam.deploy(self.aws, together)
        self.outputs = self._read_outputs()

    def store_keys(self, keys: Keys) -> None:
        """Put the two Gameball keys into the secret, as an operator does."""
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
        """Call the bundle's API, signed as IAM asks for."""
        return self.aws.call_api(self.outputs["ApiUrl"], method, path, body, headers, is_signed=is_signed)

    def scale_waits(self, factor: float) -> None:
        """Make the state machines' waits shorter (0.1: a tenth) from the next wait on."""
        scale_waits(self.aws.endpoint, factor, self.aws.ca_bundle)

    def physical_id(self, logical_id: str) -> str:
        """The name in AWS of one of the template's resources."""
        found = self.aws.cloudformation.describe_stack_resource(
            StackName=self.name, LogicalResourceId=logical_id
        )
        return found["StackResourceDetail"]["PhysicalResourceId"]

    def function_logs(self, logical_id: str) -> str:
        """All that one of the template's functions has logged, oldest first."""
        name = self.physical_id(logical_id)
        logging = self.aws.functions.get_function_configuration(FunctionName=name).get("LoggingConfig", {})
        pages = self.aws.logs.get_paginator("filter_log_events").paginate(
            logGroupName=logging.get("LogGroup", f"/aws/lambda/{name}")
        )
        try:
            return "\n".join(event["message"].rstrip() for page in pages for event in page["events"])
        except self.aws.logs.exceptions.ResourceNotFoundException:
            return ""  # the group is made at the first invocation

    def all_function_logs(self) -> dict[str, str]:
        """The logs of all functions of the template by logical id, for a test that failed."""
        pages = self.aws.cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        names = [
            resource["LogicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceType"] == "AWS::Lambda::Function"
        ]
        return {name: self.function_logs(name) for name in names}

    def ended_program(self) -> str | None:
        """The name of a program of the stack that has ended by itself, without which the stack is no use."""
        return next((program.name for program in self._programs if not program.is_running), None)

    def program_logs(self) -> dict[str, str]:
        """What the stand-in, MiniStack and SAM have printed."""
        return {path.stem: path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log"))}

    def _start(self, cleanup: ExitStack) -> None:
        self._settings.announce(describe_start(self._gameball))
        if self._gameball is None:
            child, self._standin = start_standin(self.folder, self._settings.standin_options)
            self._programs.append(cleanup.enter_context(child))
            self._gameball = Gameball(self._standin.base_url, STANDIN_KEYS)
        certificate = make_certificate(self.folder / "tls")
        child, endpoint = start_emulator(self.folder, certificate)
        self._programs.append(cleanup.enter_context(child))
        self._aws = Aws(endpoint, REGION, certificate.path)
        # Ours, so that SAM need not deploy a stack of its own for it first.
        self._make_bucket(str(deployment_settings()["s3_bucket"]))
        self.deploy()
        self.store_keys(self.gameball.keys)

    def _make_bucket(self, name: str) -> None:
        self.aws.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def _read_outputs(self) -> dict[str, str]:
        found = self.aws.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", [])}

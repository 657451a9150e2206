"""Every command block of the pages for users is run as it stands there, or says here why it can't be.

Bash runs each block. The programs in it are stand-ins that note how they are called; then each call is made:
`adjust` with its API in memory, AWS's commands as calls to the emulator, `curl` itself against that API. What
a longer test runs is named in `TESTED_BY`, what nothing can run here in `NOT_HERE`, with the reason.
"""

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel

from adjustments.core import __version__
from cli.main import main
from local.aws import Aws
from tests.contract.test_health import _make_function
from tests.fakes.batch_api import FakeBatchApi
from tests.template.loading import ROOT
from tests.unit.cli import test_commands
from tests.unit.cli.test_commands import ID, NO_PREDICTION, batch, history_page

api, stack = test_commands.api, test_commands.stack  # the fixtures

PAGES = ("README.md", "docs/operations.md", "docs/integration.md", "docs/platform.md", "docs/upgrading.md")
SHELL = {"sh", "bash", "shell", "console", "zsh"}
NO_COMMANDS = {"", "json", "mermaid"}
"""Blocks that show something: what a command prints, an answer, a diagram."""

BLOCK = re.compile(r"^( *)```([^\s`]*)([^\n]*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"^\w+\(\) \{.*?^\}$", re.MULTILINE | re.DOTALL)

TESTED_BY: Final = {
    ("make", "demo"): ("tests/e2e/test_demo.py", "local.demo"),
    ("make", "up"): ("tests/functional/local/test_lifecycle.py", "local.lifecycle"),
    ("make", "down"): ("tests/functional/local/test_lifecycle.py", "local.lifecycle"),
    ("make", "configure"): ("tests/unit/local/test_configure.py", "local.configure"),
    ("make", "wheel"): ("tests/functional/local/test_wheel.py", "pip"),
    ("make", "bench"): ("tests/template/test_idle_cost.py", "tests.bench"),
    ("adjust", "console"): ("tests/functional/console/test_serving.py", "cli.console"),
}
"""Calls that take long or don't end: the test that makes them, and what both the call and the test need."""

NOT_HERE: Final = {
    ("make", "setup"): "it installs the packages that the tests run with",
    ("make", "deploy"): "it deploys to an AWS account; the local stack is the same template, deployed by SAM",
    (
        "make",
        "build",
    ): "it builds for AWS's own runtime; e2e/test_artefacts.py checks a build for this machine",
    ("sam", "package"): "it uploads to a bucket of an AWS account",
    ("sam", "publish"): "the emulator has no Serverless Application Repository",
    ("pipx", "install"): "pipx is no package of this project; functional/local/test_wheel.py runs the wheel",
    ("git", "checkout"): "it would change the checkout that is tested",
    ("aws", "ce"): "the emulator has no Cost Explorer",
    ("aws", "configure"): "it reads the keys of the one who calls; the tests have those of the emulator",
}
"""Calls that can't be made on this machine, each with the reason."""

SHIM = """#!/bin/bash
printf '%s\\0' "${0##*/}" "$@" $'\\x01' >> "$CALLS"
case "$*" in
  *PhysicalResourceId*) echo FUNCTION ;;
esac
"""
PROGRAMS = ("adjust", "aws", "git", "make", "pipx", "sam")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "test"}
CSV = "customerId,amount\na,1\n"


class Block(NamedTuple):
    """A block of a page, and the line at which it begins."""

    page: str
    line: int
    language: str
    title: str
    text: str


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = (ROOT / page).read_text()
        for found in BLOCK.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield Block(page, line, found[2], found[3].strip(), found[4])


BLOCKS = list(blocks())
SHELL_BLOCKS = [block for block in BLOCKS if block.language in SHELL]


def prepare(folder: Path) -> None:
    """Make the files that the pages' commands take."""
    for name in ("spring.csv", "bonus.csv", "large.csv", f"reversal-{ID}.csv"):
        (folder / name).write_text(CSV)
    (folder / "keys.json").write_text('{"apiKey": "a", "secretKey": "s"}')
    for name in ("dist", "events"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "dist/gameball_adjustments_cli-1.0.0-py3-none-any.whl").touch()
    (folder / "events/manual-added.json").write_bytes((ROOT / "events/manual-added.json").read_bytes())


def run_in_bash(folder: Path, page: str, text: str, variables: dict[str, str]) -> list[list[str]]:
    """Run a block; the calls of its programs, each as words. A function of the page may be used behind it."""
    calls, programs = folder / "calls", folder / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        (programs / name).write_text(SHIM)
        (programs / name).chmod(0o755)
    calls.write_bytes(b"")
    functions = FUNCTION.findall((ROOT / page).read_text())
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([*functions, text])],
        cwd=folder,
        env={
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "CALLS": str(calls),
            **KEYS,
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words = calls.read_text().split("\0")[:-1]
    found: list[list[str]] = [[]]
    for word in words:
        if word == "\x01":
            found.append([])
        else:
            found[-1].append(word)
    return found[:-1]


class AnsweringApi:
    """Answers every call of the pages: a batch is in the state that the command is for."""

    def __init__(self, fake: FakeBatchApi) -> None:
        self.fake = fake
        self.statuses: list[int] = []
        self.batch: dict[str, Any] = batch()

    def handle(self, method: str, target: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        path = target.removeprefix("/live").partition("?")[0]
        status, fields = self._answer(method, path)
        self.statuses.append(status)
        return status, fields if isinstance(fields, bytes) else json.dumps(fields).encode()

    def _answer(self, method: str, path: str) -> tuple[int, Any]:
        names = path.strip("/").split("/")
        found = self._read(names) if method == "GET" else self._decided(names)
        return (200, found) if found else (404, {"error": 404, "message": "nothing is here"})

    def _read(self, names: list[str]) -> Any:
        match names:
            case ["bucket", "results", *_]:
                return CSV.encode()
            case ["health"]:
                check = {"check": "function Notify", "status": "ok", "message": "answers", "advice": ""}
                return {"version": __version__, "isWell": True, "checks": [check]}
            case ["batches"]:
                return {"batches": [self.batch], "next": None}
            case ["batches", name]:
                return {**self.batch, "batchId": name}
            case ["customers", _, "adjustments"]:
                return history_page()
        return None

    def _decided(self, names: list[str]) -> Any:
        match names:
            case ["batches", name, "reversal"]:
                url = self.fake.link(ID, "reversal.csv")
                return {"key": f"results/{name}/reversal.csv", "rows": 3, "total": -30, "url": url}
            case ["batches", name, "approve" | "stop" | "resolve"]:
                return {"batchId": name, "status": "polling", "rows": 1}
            case ["transactions", "manual"]:
                return {"gameballTransactionId": 5}
        return None

    def show(self, command: str, *, is_dry_run: bool) -> None:
        """Let the batch be as a command expects it."""
        all_apply = {**NO_PREDICTION, "wouldApply": 3}
        shown: dict[str, dict[str, Any]] = {
            "approve": batch("awaiting_approval"),
            "stop": batch("polling"),
            "resolve": batch("needs_attention", counts={"inDoubt": 2}),
            "results": batch(links={"results.csv": self.fake.link(ID, "results.csv")}),
        }
        dry = batch("validated", dryRun=True, prediction=all_apply, counts={"applied": 0, "notSubmitted": 3})
        self.batch = dry if is_dry_run else shown.get(command, batch())


@pytest.fixture
def answering(api: FakeBatchApi, monkeypatch: pytest.MonkeyPatch) -> AnsweringApi:
    answering = AnsweringApi(api)
    monkeypatch.setattr(api, "handle", answering.handle)
    return answering


def run_adjust(answering: AnsweringApi, words: list[str]) -> None:
    """Run the command as a person does who answers its question with yes."""
    answering.show(words[0], is_dry_run="--dry-run" in words)
    asks = words[0] in ("approve", "stop") or (words[0] == "resolve" and "--line" not in words)
    assert main([*words, *(["--yes"] if asks else [])]) == 0, words


class AwsCalls:
    """Makes the calls of AWS's command line to the emulator, whose resources have the names of the pages."""

    def __init__(self, aws: Aws, bucket: str, folder: Path) -> None:
        self.aws, self.bucket, self.folder = aws, bucket, folder
        function, self.stack = _make_function(aws, "def handler(event, context): pass\n"), f"s-{bucket}"
        version = aws.functions.publish_version(FunctionName=function)["Version"]
        aws.functions.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
        aws.client("secretsmanager").create_secret(Name=f"{self.stack}/gameball", SecretString="{}")
        role = aws.iam.create_role(RoleName=self.stack, AssumeRolePolicyDocument="{}")["Role"]["RoleName"]
        queue = {"Type": "AWS::SQS::Queue"}
        names = ("SubmitBatch", "SubmitMore", "AcceptBatch", "ManualTransaction")
        template = {"Resources": dict.fromkeys(names, queue), "Outputs": {"A": {"Value": "b"}}}
        aws.cloudformation.create_stack(StackName=self.stack, TemplateBody=json.dumps(template))
        policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
        self.names = {
            "STACK": self.stack, "FUNCTION": function, "VERSION": version, "ROLE": role, "POLICY_ARN": policy,
        }  # fmt: skip

    def make(self, words: list[str]) -> None:
        """Make one call."""
        named = re.compile(r"\b(" + "|".join(self.names) + r")\b")
        service, operation, *rest = [named.sub(lambda found: self.names[found[1]], word) for word in words]
        if service == "s3":
            self._use_bucket(operation, rest)
            return
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        name = next(one for one in model.operation_names if xform_name(one, "-") == operation)
        shape = model.operation_model(name).input_shape
        members = {f"--{xform_name(one, '-')}": one for one in (shape.members if shape else {})}
        fields: dict[str, Any] = {}
        for option, value in zip(rest[::2], rest[1::2], strict=True):
            if option not in ("--query", "--output"):
                fields[members[option]] = self._value(shape.members[members[option]].type_name, value)  # type: ignore[union-attr]
        getattr(self.aws.client(service), xform_name(name))(**fields)

    def _value(self, kind: str, text: str) -> Any:
        if text.startswith("file://"):
            return (self.folder / text.removeprefix("file://")).read_text()
        return int(text) if kind == "integer" else text

    def _use_bucket(self, operation: str, words: list[str]) -> None:
        source, target, *options = words
        if operation == "sync":
            assert re.fullmatch(r"s3://OLD_BUCKET/results/", source) and target.endswith("/") and not options
            self.aws.s3.list_objects_v2(Bucket=self.bucket, Prefix="results/")
            return
        where, _, prefix = target.removeprefix("s3://").partition("/")
        metadata = dict(option.split("=") for option in options if option != "--metadata")
        body = (self.folder / source).read_bytes()
        self.aws.s3.put_object(Bucket=where, Key=prefix + source, Body=body, Metadata=metadata)


@pytest.fixture
def aws_calls(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], AwsCalls]:
    """The emulator, once a block needs it."""
    made: list[AwsCalls] = []

    def get() -> AwsCalls:
        if not made:
            aws, bucket = request.getfixturevalue("aws"), request.getfixturevalue("bucket")
            made.append(AwsCalls(aws, bucket, tmp_path))
        return made[0]

    return get


def kind_of(words: list[str]) -> tuple[str, str]:
    return words[0], words[1]


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: f"{block.page}:{block.line}")
def test_block_does_what_it_says(
    block: Block,
    answering: AnsweringApi,
    aws_calls: Callable[[], AwsCalls],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uses_aws = re.search(r"\baws (?!configure|ce)", block.text)
    bucket = aws_calls().bucket if uses_aws else "bucket"
    prepare(tmp_path)
    variables = {"BUCKET": bucket, "API_URL": answering.fake.url, "AWS_REGION": "eu-central-1"}
    calls = run_in_bash(tmp_path, block.page, block.text, variables)
    prepare(tmp_path)
    (tmp_path / f"reversal-{ID}.csv").unlink()
    assert calls or answering.statuses, "the block calls nothing"
    for words in calls:
        if kind_of(words) in TESTED_BY or kind_of(words) in NOT_HERE:
            continue
        match words:
            case ["adjust", *rest]:
                run_adjust(answering, [word.replace("BATCH_ID", ID) for word in rest])
            case ["aws", *rest]:
                aws_calls().make(rest)
            case _:
                raise AssertionError(f"nothing runs this, and nothing says why: {shlex.join(words)}")
    assert set(answering.statuses) <= {200}


def test_each_program_in_python_is_run_by_a_test() -> None:
    tests = (ROOT / "tests/e2e/test_integration.py").read_text()
    found = [block for block in BLOCKS if block.language == "python"]
    assert len(found) > 4
    for block in found:
        is_run = f'run("{block.title}")' in tests
        is_imported = any(f"from {block.title.removesuffix('.py')} import" in other.text for other in found)
        assert block.page == "docs/integration.md" and (is_run or is_imported), block


def test_every_block_is_of_a_known_kind() -> None:
    known = SHELL | NO_COMMANDS | {"python"}
    assert [block for block in BLOCKS if block.language not in known] == []
    assert len(SHELL_BLOCKS) > 20


def test_reasons_and_tests_are_those_of_calls_that_the_pages_have(tmp_path: Path, api: FakeBatchApi) -> None:
    variables = {"BUCKET": "bucket", "API_URL": api.url, "AWS_REGION": "eu-central-1"}
    kinds: set[tuple[str, str]] = set()
    for block in SHELL_BLOCKS:
        prepare(tmp_path)
        kinds |= {kind_of(words) for words in run_in_bash(tmp_path, block.page, block.text, variables)}
    assert {*TESTED_BY, *NOT_HERE} <= kinds
    makefile = (ROOT / "Makefile").read_text()
    for (program, target), (path, needs) in TESTED_BY.items():
        assert needs in (ROOT / path).read_text(), path
        recipe = makefile.partition(f"\n{target}:")[2].partition("\n\n")[0]
        assert program != "make" or needs in recipe, target


@pytest.mark.parametrize(
    "text",
    ["adjust no-such-command", "adjust list --no-such-option", "aws s3 cp no-such-file s3://bucket/x/"],
)
def test_a_step_that_does_not_work_is_noticed(
    text: str, answering: AnsweringApi, aws: Aws, bucket: str, tmp_path: Path
) -> None:
    [[program, *words]] = run_in_bash(tmp_path, "README.md", text, {})
    with pytest.raises((AssertionError, FileNotFoundError)):
        if program == "adjust":
            run_adjust(answering, words)
        else:
            AwsCalls(aws, bucket, tmp_path).make(words)


@pytest.mark.parametrize("text", ["no-such-program --help", "for name in a; do", "call GET /"])
def test_a_block_that_bash_refuses_is_noticed(text: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_in_bash(tmp_path, "README.md", text, {})

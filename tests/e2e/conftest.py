"""The deployed local stack: one for the whole run, a fresh Gameball for every test."""

import uuid
from collections.abc import Generator, Iterator
from decimal import Decimal

import pytest

from local import environment
from local.batch_client import BatchClient
from local.stack import LocalStack, StackSettings
from local.standin_client import StandInClient

LOGS = environment.STATE / "e2e-logs"
APPROVAL_ABOVE_TOTAL = 1_000_000
"""Far above what tests send that are not about approval."""

_JOB_DELAY_S = "0.5"
_WAIT_SCALE = 0.1
_TROUBLE = ('"level":"ERROR"', '"level":"WARNING"', "Traceback")
_TROUBLES_SHOWN = 3
_TROUBLE_CHARS_MAX = 500


@pytest.fixture(scope="session")
def running_stack() -> Iterator[LocalStack]:
    """The stack itself, started once; tests ask for `stack`."""
    settings = StackSettings(
        parameters={
            "ApprovalAboveTotal": str(APPROVAL_ABOVE_TOTAL),
            "ApproverMayBeUploader": "false",
        },
        standin_options=("--job-delay-s", _JOB_DELAY_S),
    )
    with LocalStack.running(settings) as stack:
        yield stack


@pytest.fixture
def stack(running_stack: LocalStack) -> LocalStack:
    """The stack, with a stand-in that has forgotten all customers, jobs and faults; no batch counts yet."""
    counted = {"pk": {"S": "unapproved"}, "sk": {"S": "unapproved"}}
    running_stack.aws.dynamodb.delete_item(TableName=running_stack.outputs["TableName"], Key=counted)
    running_stack.standin.reset()
    running_stack.standin.change_settings({"job_delay_s": float(_JOB_DELAY_S)})
    running_stack.scale_waits(_WAIT_SCALE)
    return running_stack


@pytest.fixture(scope="session")
def operators(running_stack: LocalStack) -> tuple[tuple[str, str], tuple[str, str]]:
    """The keys of two people who have the policy of operators."""
    return _make_operator(running_stack), _make_operator(running_stack)


def _make_operator(stack: LocalStack) -> tuple[str, str]:
    iam, name = stack.aws.iam, f"operator-{uuid.uuid4()}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=stack.outputs["OperatorPolicyArn"])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


@pytest.fixture
def standin(stack: LocalStack) -> StandInClient:
    """Client of the stand-in's admin API."""
    return stack.standin


@pytest.fixture
def batches(stack: LocalStack) -> BatchClient:
    """Files and batches, from outside."""
    return BatchClient(stack)


@pytest.fixture
def customers(standin: StandInClient) -> dict[str, Decimal]:
    """Twenty customers with 100 points each."""
    opened = {f"player-{number:02}": Decimal(100) for number in range(1, 21)}
    standin.open_customers({"customerId": name, "balance": int(balance)} for name, balance in opened.items())
    return opened


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the functions and programs logged until a test failed; its report says where.

    Of each log the report shows the last troubles only: all of them would hide what failed.
    """
    report = yield
    running = getattr(item, "funcargs", {}).get("running_stack")
    if report.failed and isinstance(running, LocalStack):
        folder = LOGS / item.name
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in {**running.program_logs(), **running.all_function_logs()}.items():
            log = folder / f"{name}.log"
            log.write_text(text)
            troubles = [line for line in text.splitlines() if any(word in line for word in _TROUBLE)]
            if shown := [line[:_TROUBLE_CHARS_MAX] for line in troubles[-_TROUBLES_SHOWN:]]:
                report.sections.append((f"last troubles in {log}", "\n".join(shown)))
    return report

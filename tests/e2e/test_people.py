"""What people may do who have been given one of the policies, and what they are refused."""

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from local.batch_client import BatchClient
from local.stack import LocalStack
from tests.e2e.test_command import Terminal

POLICIES = {
    "uploader": "UploaderPolicyArn",
    "operator": "OperatorPolicyArn",
    "reader": "ReadOnlyPolicyArn",
    "on call": "OnCallPolicyArn",
}
REFUSED_CODES = {"AccessDenied", "AccessDeniedException", "403"}

Deed = Callable[["Person"], bool]


class Person:
    """An IAM user with one of the policies, and what they may try."""

    def __init__(self, stack: LocalStack, keys: tuple[str, str], batch_id: str) -> None:
        self.stack = stack
        self.keys = keys
        self.aws = stack.aws.as_caller(*keys)
        self.batch_id = batch_id
        self.bucket = stack.outputs["BucketName"]

    def is_let(self, call: Callable[[], object]) -> bool:
        """Whether AWS lets a call through; raises what is wrong with it beside that."""
        try:
            call()
        except ClientError as error:
            if error.response["Error"]["Code"] in REFUSED_CODES:
                return False
            raise
        return True

    def may(self, action: str, resource: str) -> bool:
        """What IAM's simulation says."""
        arn = self.aws.client("sts").get_caller_identity()["Arn"]
        answer = self.stack.aws.iam.simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=[action], ResourceArns=[resource]
        )
        return answer["EvaluationResults"][0]["EvalDecision"] == "allowed"

    def reaches_api(self, method: str, path: str, body: object = None) -> bool:
        """Whether a call gets to a function: those answer 403 to nobody."""
        return self.aws.call_api(self.stack.outputs["ApiUrl"], method, path, body).status != 403

    def puts(self, key: str) -> bool:
        return self.is_let(lambda: self.aws.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x"))

    def gets(self, key: str) -> bool:
        return self.is_let(lambda: self.aws.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def lists(self, prefix: str) -> bool:
        return self.is_let(lambda: self.aws.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix))


def _posts(what: str) -> Deed:
    return lambda person: person.reaches_api("POST", f"/batches/{person.batch_id}/{what}")


def _puts(key: str) -> Deed:
    return lambda person: person.puts(key)


def _gets(key: str) -> Deed:
    return lambda person: person.gets(key.format(person.batch_id))


def _lists(prefix: str) -> Deed:
    return lambda person: person.lists(prefix)


def _reads_secret(person: Person) -> bool:
    name = person.stack.outputs["SecretName"]
    return person.is_let(lambda: person.aws.secrets.get_secret_value(SecretId=name))


def _reads_table(person: Person) -> bool:
    return person.is_let(lambda: person.aws.dynamodb.scan(TableName=person.stack.outputs["TableName"]))


def _runs_function(person: Person) -> bool:
    name = person.stack.physical_id("Notify")
    return person.is_let(lambda: person.aws.functions.invoke(FunctionName=name, Payload=b"{}"))


def _lists_runs(person: Person) -> bool:
    machine = person.stack.outputs["StateMachineArn"]
    return person.is_let(lambda: person.aws.stepfunctions.list_executions(stateMachineArn=machine))


def _starts_run(person: Person) -> bool:
    machine = person.stack.outputs["StateMachineArn"]
    return person.is_let(lambda: person.aws.stepfunctions.start_execution(stateMachineArn=machine))


def _reads_logs(person: Person) -> bool:
    group = person.stack.physical_id("SubmitBatchLogs")
    return person.is_let(lambda: person.aws.logs.filter_log_events(logGroupName=group))


def _finds_outputs(person: Person) -> bool:
    name = person.stack.name
    return person.is_let(lambda: person.aws.cloudformation.describe_stacks(StackName=name))


def _finds_log_groups(person: Person) -> bool:
    return person.is_let(lambda: person.aws.logs.describe_log_groups())


def _sees_dashboard(person: Person) -> bool:
    """By IAM's simulation: the emulator asks for the right to all dashboards, AWS for that to this one."""
    account = person.stack.outputs["StateMachineArn"].split(":")[4]
    return person.may(
        "cloudwatch:GetDashboard", f"arn:aws:cloudwatch::{account}:dashboard/{person.stack.name}"
    )


def _sees_alarms(person: Person) -> bool:
    return person.is_let(lambda: person.aws.client("cloudwatch").describe_alarms())


def _sees_metrics(person: Person) -> bool:
    return person.is_let(lambda: person.aws.client("cloudwatch").list_metrics(Namespace="AWS/Lambda"))


def _reads_dropped_version(person: Person) -> bool:
    """By the version's id, which only the answer to a drop and the batch tell."""
    bucket, key = person.bucket, "inbox/seen.csv"
    version = person.stack.aws.s3.head_object(Bucket=bucket, Key=key)["VersionId"]
    return person.is_let(lambda: person.aws.s3.head_object(Bucket=bucket, Key=key, VersionId=version))


def _finds_bucket(person: Person) -> bool:
    """S3's console asks for it before anything else."""
    return person.is_let(lambda: person.aws.s3.get_bucket_location(Bucket=person.bucket))


def _queue_arn(person: Person, name: str) -> str:
    url = person.stack.physical_id(name)
    sqs = person.stack.aws.sqs
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def _sends_back(person: Person) -> bool:
    """Messages of a failure queue go to its queue again: simulated, since the emulator does not do it."""
    source, target = _queue_arn(person, "IntakeFailureQueue"), _queue_arn(person, "IntakeQueue")
    taking = ("sqs:StartMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
    return all(person.may(action, source) for action in taking) and person.may("sqs:SendMessage", target)


def _looks_into_failure_queue(person: Person) -> bool:
    url = person.stack.physical_id("ManualFailureQueue")
    return person.is_let(lambda: person.aws.sqs.receive_message(QueueUrl=url))


def _sweeps(person: Person) -> bool:
    name = person.stack.physical_id("Sweep")
    return person.is_let(lambda: person.aws.functions.invoke(FunctionName=name, Payload=b"{}"))


def _deletes_stack(person: Person) -> bool:
    name = f"no-{person.stack.name}"
    return person.is_let(lambda: person.aws.cloudformation.delete_stack(StackName=name))


def _deletes_result(person: Person) -> bool:
    key = f"results/{person.batch_id}/none"
    return person.is_let(lambda: person.aws.s3.delete_object(Bucket=person.bucket, Key=key))


WATCHERS = {"uploader", "operator", "reader"}
EVERYBODY = {*WATCHERS, "on call"}
TABLE: dict[str, tuple[Deed, set[str]]] = {
    "finds the outputs": (_finds_outputs, EVERYBODY),
    "checks health": (lambda p: p.reaches_api("GET", "/health"), {"operator", "reader"}),
    "looks a customer up": (
        lambda p: p.reaches_api("GET", "/customers/c1/adjustments"),
        {"operator", "reader"},
    ),
    "lists batches": (lambda p: p.reaches_api("GET", "/batches"), WATCHERS),
    "looks at a batch": (lambda p: p.reaches_api("GET", f"/batches/{p.batch_id}"), WATCHERS),
    "reads results": (_gets("results/{}/results.csv"), WATCHERS),
    "lists results": (_lists("results/"), WATCHERS),
    "finds the bucket": (_finds_bucket, WATCHERS),
    "drops a file": (_puts("inbox/people.txt"), {"uploader", "operator"}),
    "drops a recurring file": (_puts("recurring/people.txt"), {"uploader", "operator"}),
    "drops a file for a dry run": (_puts("dry-run/people.txt"), {"uploader", "operator"}),
    "lists the inbox": (_lists("inbox/"), {"uploader", "operator"}),
    "approves": (_posts("approve"), {"operator"}),
    "stops": (_posts("stop"), {"operator"}),
    "resolves": (_posts("resolve"), {"operator"}),
    "reverses": (_posts("reversal"), {"operator"}),
    "lists rows": (lambda p: p.reaches_api("GET", f"/batches/{p.batch_id}/rows"), WATCHERS),
    "gets an upload form": (lambda p: p.reaches_api("POST", "/batches/uploads"), {"operator"}),
    "looks up a transaction": (lambda p: p.reaches_api("GET", "/transactions/none"), {"operator"}),
    "posts a batch": (lambda p: p.reaches_api("POST", "/batch/balance-adjustment", {}), {"operator"}),
    "posts a transaction": (lambda p: p.reaches_api("POST", "/transactions/manual", {}), {"operator"}),
    "lists runs": (_lists_runs, {"reader"}),
    "reads logs": (_reads_logs, {"reader"}),
    "finds log groups": (_finds_log_groups, {"reader"}),
    "sees the dashboard": (_sees_dashboard, {"reader"}),
    "sees alarms": (_sees_alarms, {"reader"}),
    "sees metrics": (_sees_metrics, {"reader"}),
    "sends failed messages back": (_sends_back, {"on call"}),
    "looks into a failure queue": (_looks_into_failure_queue, {"on call"}),
    "sweeps": (_sweeps, {"on call"}),
    "reads a dropped version": (_reads_dropped_version, {"uploader", "operator"}),
    "reads the keys": (_reads_secret, set()),
    "reads the table": (_reads_table, set()),
    "reads what was sent": (_gets("work/{}/none"), set()),
    "reads what others dropped": (_gets("inbox/seen.csv"), set()),
    "writes results": (_puts("results/forged.csv"), set()),
    "writes what is sent": (_puts("work/forged.json"), set()),
    "lists everything": (_lists(""), set()),
    "lists what was sent": (_lists("work/"), set()),
    "deletes results": (_deletes_result, set()),
    "starts a run": (_starts_run, set()),
    "runs a function": (_runs_function, set()),
    "deletes a stack": (_deletes_stack, set()),
}
"""What is tried, and who is let."""


@pytest.fixture(scope="module")
def people(running_stack: LocalStack) -> Iterator[Mapping[str, Person]]:
    """One of each, and a batch that they look at."""
    running_stack.standin.reset()
    running_stack.standin.open_customers([{"customerId": "seen", "balance": 1}])
    batches = BatchClient(running_stack)
    batches.drop("inbox/seen.csv", b"customerId,amount\nseen,3\n")
    batch_id = batches.wait_for_first("inbox/seen.csv")
    batches.wait_until_ended(batch_id)
    yield {name: _person(running_stack, output, batch_id) for name, output in POLICIES.items()}


def _person(stack: LocalStack, output: str, batch_id: str) -> Person:
    iam, name = stack.aws.iam, f"person-{uuid.uuid4()}"
    iam.create_user(UserName=name)
    iam.attach_user_policy(UserName=name, PolicyArn=stack.outputs[output])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Person(stack, (key["AccessKeyId"], key["SecretAccessKey"]), batch_id)


@pytest.mark.parametrize("deed", TABLE)
def test_people_do_what_their_policy_says_and_are_refused_the_rest(
    people: Mapping[str, Person], deed: str
) -> None:
    try_it, let = TABLE[deed]
    assert {name for name, person in people.items() if try_it(person)} == let


DENIED = re.compile(r"not allowed to do this|AccessDenied|AWS error 403|not authorized")
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "submit": (["submit", "people.csv", "--dry-run", "--wait"], {"uploader", "operator"}),
    "watch": (["watch", "BATCH"], WATCHERS),
    "list": (["list"], WATCHERS),
    "show": (["show", "BATCH"], WATCHERS),
    "doctor": (["doctor"], {"operator", "reader"}),
    "results": (["results", "BATCH", "--to", "out"], WATCHERS),
    "approve": (["approve", "BATCH", "--yes"], {"operator"}),
    "stop": (["stop", "BATCH", "--yes"], {"operator"}),
    "resolve": (["resolve", "BATCH", "applied", "--note", "seen", "--yes"], {"operator"}),
    "reverse": (["reverse", "BATCH"], {"operator"}),
    "transact": (
        ["transact", "--customer", "seen", "--points", "1", "--reason", "r", "--username", "u"],
        {"operator"},
    ),
}
"""What is typed, and whose policy is enough for all of it."""

DONE = {"submit", "watch", "list", "show", "results", "reverse", "transact"}
"""Commands that end well; the others find the batch in a state in which there is nothing to decide."""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", POLICIES)
def test_command_works_to_its_end_with_the_policy_that_is_to_be_enough(
    people: Mapping[str, Person], tmp_path: Path, name: str, command: str
) -> None:
    arguments, let = COMMANDS[command]
    person = people[name]
    (tmp_path / "people.csv").write_text(f"customerId,amount,reason\nseen,1,{uuid.uuid4()}\n")
    typed = [person.batch_id if argument == "BATCH" else argument for argument in arguments]
    done = Terminal(person.stack, tmp_path, person.keys).type(*typed)

    refused = DENIED.search(done.stderr) or (command == "doctor" and DENIED.search(done.stdout))
    assert bool(refused) == (name not in let), done.stdout + done.stderr
    if name in let and command in DONE:
        assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_a_key_of_nobody_and_a_wrong_secret_are_refused(stack: LocalStack) -> None:
    iam, name = stack.aws.iam, f"person-{uuid.uuid4()}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    for keys in (("AKIAUNKNOWN000000000", "none"), (key["AccessKeyId"], "wrong")):
        caller = stack.aws.as_caller(*keys)
        assert caller.call_api(stack.outputs["ApiUrl"], "GET", "/batches").status == 403

"""Short scenes, each of which plays one path of one function on the deployed stack.

A scene sets up what it needs and returns its act: one direct call of the function, which returns what went
wrong, or an empty text. Meanwhile the state machine, the inbox rule and the schedules are switched off, so
that only the scene changes a batch.
"""

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import urllib3
from botocore.exceptions import ClientError

from adjustments.aws.bucket import BucketFiles
from adjustments.aws.metrics import Meter, function_metrics
from adjustments.bootstrap import Application
from adjustments.core.settings import Settings
from adjustments.ports import BACKGROUND, AwsPorts
from local.processes import wait_for
from local.stack import LocalStack
from tests.fakes.gateway import proxy_event

Act = Callable[[], str]

ROWS_AFTER_CANARY = 10
CUSTOMERS = 1_110
"""Enough for two canaries of 100, and a larger chunk of the same wave."""

HELD_ABOVE_ROWS = 3
COLLEAGUE = "arn:aws:iam::111122223333:user/colleague"
"""Somebody else than the caller of all other calls: nobody approves the body that they posted."""

"""Batches of more rows await approval while the scenes run."""

_LOST = {"kind": "reset_after", "method": "POST", "path": "batch/balance-adjustment"}
_BUSY = {
    "kind": "status",
    "status": 429,
    "retry_after_s": 60,
    "method": "POST",
    "path": "batch/balance-adjustment",
}
_WRONG = {"kind": "status", "status": 405, "method": "POST", "path": "transactions/manual"}
_STANDSTILL = {"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
_WITHIN_S = 30
MORE_THAN_A_PART = 9 << 20
"""Bytes, of which the first part of a multipart upload takes eight mebibytes."""

_FAR = timedelta(hours=1)
"""After this time the sweep no longer waits for the event of an object."""


class Scenes:
    """All scenes, by the function that acts in them; each is called to set it up."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._aws = stack.aws
        self._bucket = stack.outputs["BucketName"]
        self._table = stack.outputs["TableName"]
        self._names: dict[str, str] = {}
        self._amount = 0
        self.of: Mapping[str, tuple[Callable[[], Act], ...]] = {
            "SubmitBatch": (
                self.drop, self.drop_of_version, self.drop_of_dry_run, self.drop_of_dry_run_version,
                self.drop_of_repeats,
                self.drop_of_known_rows,
                self.drop_archived, self.tick, self.recurring_file, self.late_tick,
            ),
            "PollJobs": (self.poll, self.poll_dry_run),
            "SubmitMore": (self.submit_more, self.submit_more_and_collect),
            "WriteReport": (self.write_report, self.write_report_of_failure, self.write_report_of_dry_run),
            "Notify": (self.notify,),
            "ManualTransaction": (
                self.add_one, self.refuse_one, self.request_one, self.request_in_vain,
                self.request_wrongly, self.look_up,
            ),
            "AcceptBatch": (self.accept, self.accept_and_hold),
            "BatchApi": (
                self.health, self.list_batches, self.show, self.approve, self.approve_recurring,
                self.approve_accepted, self.approve_removed, self.stop, self.resolve, self.reverse,
                self.upload,
            ),
            "Sweep": (self.sweep_stalled, self.sweep_doubt, self.sweep_missed),
        }  # fmt: skip

    # --- what is switched off meanwhile -------------------------------------------------------------------

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Switch off all else that changes batches, and let larger ones await approval, within the block."""
        machine = self._stack.outputs["StateMachineArn"]
        machines, events = self._aws.stepfunctions, self._aws.events
        definition = machines.describe_state_machine(stateMachineArn=machine)["definition"]
        machines.update_state_machine(stateMachineArn=machine, definition=json.dumps(_STANDSTILL))
        events.disable_rule(Name=self._stack.physical_id("InboxRule"))
        self._switch_sweep("DISABLED")
        self._switch_intake(is_on=False)
        before = {name: self._variables(name) for name in ("SubmitBatch", "AcceptBatch")}
        try:
            for name, variables in before.items():
                self.restart(name, {**variables, "APPROVAL_ABOVE_ROWS": str(HELD_ABOVE_ROWS)})
            yield
        finally:
            for name, variables in before.items():
                self.restart(name, variables)
            self._forget()
            self._aws.sqs.purge_queue(QueueUrl=self._stack.physical_id("IntakeQueue"))
            self._switch_intake(is_on=True)
            self._switch_sweep("ENABLED")
            events.enable_rule(Name=self._stack.physical_id("InboxRule"))
            machines.update_state_machine(stateMachineArn=machine, definition=definition)

    def _switch_intake(self, *, is_on: bool) -> None:
        """Let the function take messages from the intake queue by itself, or not."""
        self._aws.functions.update_event_source_mapping(
            UUID=self._stack.physical_id("SubmitBatchDrops"), Enabled=is_on
        )

    def restart(self, function: str, variables: Mapping[str, str] | None = None) -> None:
        """Make the next call of a function a cold start, with other environment variables if given."""
        self._aws.functions.update_function_configuration(
            FunctionName=self._name(function),
            Description=f"restarted {uuid.uuid4()}",
            Environment={"Variables": dict(variables or self._variables(function))},
        )

    def _switch_sweep(self, state: Any) -> None:
        name = self._stack.physical_id("SweepTick")
        found = self._aws.scheduler.get_schedule(Name=name)
        kept: Any = {key: found[key] for key in ("ScheduleExpression", "FlexibleTimeWindow", "Target")}
        self._aws.scheduler.update_schedule(Name=name, State=state, **kept)

    # --- intake -------------------------------------------------------------------------------------------

    def drop(self) -> Act:
        key, _ = self._put("inbox/")
        return lambda: self._take(_created(self._bucket, key))

    def drop_of_version(self) -> Act:
        key, version = self._put("inbox/")
        return lambda: self._take(_created(self._bucket, key, version))

    def drop_of_dry_run(self) -> Act:
        key, _ = self._put("dry-run/")
        return lambda: self._take(_created(self._bucket, key))

    def drop_of_dry_run_version(self) -> Act:
        key, version = self._put("dry-run/")
        return lambda: self._take(_created(self._bucket, key, version))

    def drop_of_repeats(self) -> Act:
        """Customers appear twice, so that the chunks of a second wave are built from saved parts."""
        key, _ = self._put("inbox/", times=2)
        return lambda: self._take(_created(self._bucket, key))

    def drop_of_known_rows(self) -> Act:
        """Two of its three rows were sent before, so that it is held and new-rows.csv is written."""
        sent = f"c001,{self._fresh()},Café\nc002,{self._fresh()},Café\n"
        self._must(self._take(_created(self._bucket, self._put_text("inbox/", sent)[0])))
        key, _ = self._put_text("inbox/", f"{sent}c003,{self._fresh()},Café\n")
        return lambda: self._take(_created(self._bucket, key))

    def drop_archived(self) -> Act:
        """It can't be read, and is named by the list of versions. The emulator does not know the condition of
        the bucket policy that would refuse it.
        """
        key, version = self._put("inbox/", StorageClass="GLACIER")
        return lambda: self._take(_created(self._bucket, key, version))

    def tick(self) -> Act:
        self._put("recurring/")
        return lambda: self._take(_tick(datetime.now(UTC)))

    def recurring_file(self) -> Act:
        """The file has a decimal comma, so that the same version is read a second time."""
        key, _ = self._put("recurring/", bad_row='c,"1,5",')
        return lambda: self._take(_recurring(key))

    def late_tick(self) -> Act:
        """The tick is too late: people are notified, which needs the topic."""
        late = datetime.now(UTC) - timedelta(hours=7)
        return lambda: self._take(_tick(late))

    # --- the steps of the state machine -------------------------------------------------------------------

    def poll(self) -> Act:
        batch_id = self._submitted()
        return lambda: self._step("PollJobs", batch_id)

    def poll_dry_run(self) -> Act:
        """At first there is no object with inquiries, which needs s3:ListBucket to be answered with 404."""
        batch_id = self._submitted(metadata={"dry-run": "true"})
        return lambda: self._step("PollJobs", batch_id)

    def submit_more(self) -> Act:
        """The canary has settled, and the other rows may be sent."""
        batch_id = self._past_canary(rows=100 + ROWS_AFTER_CANARY)
        return lambda: self._step("SubmitMore", batch_id)

    def submit_more_and_collect(self) -> Act:
        """Gameball was busy for one of two chunks: when that one is sent, the job of the other is polled."""
        batch_id = self._past_canary(rows=CUSTOMERS)
        self._stack.standin.add_fault(_BUSY)
        self._must(self._step("SubmitMore", batch_id))
        return lambda: self._submit_later(batch_id)

    def write_report(self) -> Act:
        batch_id = self._settled()
        return lambda: self._step("WriteReport", batch_id)

    def write_report_of_failure(self) -> Act:
        """Gameball has refused a row, which is taken off the index of the batch's rows."""
        key, _ = self._put("inbox/", bad_row=f"nobody,{self._fresh()},Café")
        self._must(self._take(_created(self._bucket, key)))
        batch_id = self._batch_of(key)
        self._must(self._step("PollJobs", batch_id))
        return lambda: self._step("WriteReport", batch_id)

    def write_report_of_dry_run(self) -> Act:
        """There is no object with balances, which needs s3:ListBucket to be answered with 404."""
        batch_id = self._submitted(metadata={"dry-run": "true"})
        return lambda: self._step("WriteReport", batch_id)

    def notify(self) -> Act:
        batch_id = self._reported()
        return lambda: self._step("Notify", batch_id)

    # --- manual transactions ------------------------------------------------------------------------------

    def add_one(self) -> Act:
        return lambda: self._manual(_one(), 200)

    def refuse_one(self) -> Act:
        """Gameball refuses it, so that its item in the ledger is deleted."""
        return lambda: self._manual(_one(customerId="nobody"), 404)

    def look_up(self) -> Act:
        event = _request("GET", "/transactions/unheard-of")
        return lambda: self._answer("ManualTransaction", event, 404)

    def request_one(self) -> Act:
        return lambda: self._consume(_one(), "manual transaction settled")

    def request_in_vain(self) -> Act:
        """A request that Gameball refuses for what it says: an event tells its sender."""
        return lambda: self._consume(_one(customerId="nobody"), "manual transaction not added")

    def request_wrongly(self) -> Act:
        """A request that is refused for how we send it is put into the failure queue; an event says so."""

        def consume() -> str:
            self._stack.standin.add_fault(_WRONG)
            return self._consume(_one(), "manual transaction not added")

        return consume

    # --- the API ------------------------------------------------------------------------------------------

    def accept(self) -> Act:
        return lambda: self._accept(1)[1]

    def accept_and_hold(self) -> Act:
        return lambda: self._accept(HELD_ABOVE_ROWS + 1)[1]

    def health(self) -> Act:
        """What stands still meanwhile is a problem, too; here only what the role may not see counts."""
        return self._check_health

    def list_batches(self) -> Act:
        return lambda: self._api("GET", "/batches")

    def show(self) -> Act:
        """The links to the results work only if the role that signs them may read the results."""
        batch_id = self._reported()
        return lambda: self._follow_links(batch_id)

    def approve(self) -> Act:
        batch_id = self._submitted(rows=HELD_ABOVE_ROWS + 1)
        return lambda: self._api("POST", f"/batches/{batch_id}/approve")

    def approve_recurring(self) -> Act:
        self._clear("recurring/")
        key, _ = self._put("recurring/", rows=HELD_ABOVE_ROWS + 1)
        self._must(self._take(_recurring(key)))
        batch_id = self._batch_of(key)
        self._clear("inbox/")
        return lambda: self._api("POST", f"/batches/{batch_id}/approve")

    def approve_accepted(self) -> Act:
        batch_id, failed = self._accept(HELD_ABOVE_ROWS + 1)
        self._must(failed)
        return lambda: self._api("POST", f"/batches/{batch_id}/approve", caller=COLLEAGUE)

    def approve_removed(self) -> Act:
        """A removed file is answered with 409, which needs s3:ListBucket to tell it from a refused access."""
        batch_id = self._submitted(rows=HELD_ABOVE_ROWS + 1)
        self._clear("inbox/")
        return lambda: self._api("POST", f"/batches/{batch_id}/approve", expected=409)

    def stop(self) -> Act:
        self._stack.standin.change_settings({"job_delay_s": 60})
        batch_id = self._submitted()
        self._stack.standin.change_settings({"job_delay_s": 0})
        return lambda: self._api("POST", f"/batches/{batch_id}/stop")

    def resolve(self) -> Act:
        batch_id = self._doubtful()
        return lambda: self._api("POST", f"/batches/{batch_id}/resolve", {"outcome": "applied"})

    def reverse(self) -> Act:
        batch_id = self._reported()
        return lambda: self._api("POST", f"/batches/{batch_id}/reversal")

    def upload(self) -> Act:
        """S3 lets in by a form what the function that signed it may put."""
        return self._upload

    # --- the sweep ----------------------------------------------------------------------------------------

    def sweep_stalled(self) -> Act:
        """The execution of a batch has ended before the batch has."""
        self._forget()
        batch_id = self._submitted()
        wait_for(lambda: not self._is_running(batch_id), _WITHIN_S, "the end of the run")
        return lambda: self._sweep("resumed", batch_id)

    def sweep_doubt(self) -> Act:
        """The answer was lost, and the customers' lists show the transactions."""
        self._forget()
        batch_id = self._doubtful()
        self._must(self._step("Notify", batch_id))
        return lambda: self._sweep("reconciled", batch_id)

    def sweep_missed(self) -> Act:
        """A file without a batch, an hour later: the function's own code, in its role, at a later time."""
        self._forget()
        key, _ = self._put("inbox/", rows=HELD_ABOVE_ROWS + 1)
        return lambda: self._sweep_later(key)

    # --- an upload that breaks off ------------------------------------------------------------------------

    def break_upload_off(self, function: str, prefix: str) -> str:
        """Fail in the middle of a large file, in the function's role; return what was left or refused.

        The function's own files come to that size with some 100,000 rows, which would take minutes here.
        """
        with self._running_as(function):
            # A session of its own: the default one keeps the credentials of the role before.
            files = BucketFiles(boto3.Session().client("s3"), self._bucket)
            try:
                with files.writer(f"{prefix}broken-off", "text/csv") as out:
                    out.write(bytes(MORE_THAN_A_PART))
                    raise _BrokenOff
            except _BrokenOff:
                pass
            except ClientError as error:
                return str(error)
        left = self._aws.s3.list_multipart_uploads(Bucket=self._bucket).get("Uploads", [])
        return f"left behind: {left}" if left else ""

    # --- acts ---------------------------------------------------------------------------------------------

    def _take(self, message: Mapping[str, Any]) -> str:
        answer, troubles = self._call("SubmitBatch", _records(message))
        return troubles or _told(answer["batchItemFailures"])

    def _step(self, function: str, batch_id: str) -> str:
        answer, troubles = self._call(function, {"batchId": batch_id})
        return troubles or ("" if answer["batchId"] == batch_id else f"answered {answer}")

    def _manual(self, body: Mapping[str, Any], expected: int) -> str:
        event = _request("POST", "/transactions/manual", body)
        answer, troubles = self._call("ManualTransaction", event, {"manual transaction not added"})
        return troubles or ("" if answer["statusCode"] == expected else _told(answer))

    def _consume(self, body: Mapping[str, Any], expected: str) -> str:
        event = {
            "source": "shop",
            "account": "1",
            "detail-type": "Manual Transaction Requested",
            "detail": body,
        }
        answer, troubles = self._call("ManualTransaction", _records(event), {"manual transaction not added"})
        logged = self._lines("ManualTransaction", self._called_at_ms)
        return (
            troubles
            or _told(answer["batchItemFailures"])
            or ("" if expected in logged else "not " + expected)
        )

    def _accept(self, rows: int) -> tuple[str, str]:
        self._forget_counted()
        body = {"body": [{"customerId": name, "amount": self._fresh()} for name in _customers(rows)]}
        answer, troubles = self._call("AcceptBatch", _request("POST", "/batch/balance-adjustment", body))
        if troubles or answer["statusCode"] > 202:
            return "", troubles or _told(answer)
        return json.loads(answer["body"])["batchId"], ""

    def _api(self, method: str, path: str, body: object = None, expected: int = 200, caller: str = "") -> str:
        event = _request(method, path, body)
        if caller:
            event["requestContext"]["identity"]["userArn"] = caller
        answer, troubles = self._call("BatchApi", event, {"call refused"})
        return troubles or ("" if answer["statusCode"] == expected else _told(answer))

    def _answer(self, function: str, event: Mapping[str, Any], expected: int) -> str:
        answer, troubles = self._call(function, event, {"manual transaction not added"})
        return troubles or ("" if answer["statusCode"] == expected else _told(answer))

    def _upload(self) -> str:
        answer, troubles = self._call("BatchApi", _request("POST", "/batches/uploads"))
        if troubles or answer["statusCode"] != 200:
            return troubles or _told(answer)
        form = json.loads(answer["body"])
        fields = {**form["fields"], "file": ("upload.csv", b"customerId,amount\n")}
        with urllib3.PoolManager(ca_certs=str(self._aws.ca_bundle)) as door:
            sent = door.request("POST", form["url"], fields=fields)
        return "" if sent.status in (200, 204) else sent.data.decode()

    def _check_health(self) -> str:
        answer, troubles = self._call("BatchApi", _request("GET", "/health"))
        if troubles or answer["statusCode"] != 200:
            return troubles or _told(answer)
        checks = json.loads(answer["body"])["checks"]
        unseen = [found["message"] for found in checks if "not authorized" in found["message"]]
        return "\n".join(unseen)

    def _follow_links(self, batch_id: str) -> str:
        answer, troubles = self._call("BatchApi", _request("GET", f"/batches/{batch_id}"))
        if troubles or answer["statusCode"] != 200:
            return troubles or _told(answer)
        door = urllib3.PoolManager(ca_certs=str(self._aws.ca_bundle))
        links = json.loads(answer["body"])["links"].values()
        statuses = [door.request("GET", link, retries=False).status for link in links]
        return "" if statuses == [200] * 4 else f"links answer {statuses}"

    def _sweep(self, what: str, batch_id: str) -> str:
        normal = {"batch resumed"}
        answer, troubles = self._call("Sweep", {}, normal)
        return troubles or ("" if batch_id in answer[what] else f"answered {answer}")

    def _sweep_later(self, key: str) -> str:
        with self._running_as("Sweep") as app:
            try:
                done = app.sweeper.sweep(app.clock.now() + timedelta(minutes=5))
            except Exception as error:
                return _all_of(error)
        if len(done["queued"]) != 1:
            return f"answered {done}"
        wait_for(lambda: self._is_queued(key), _WITHIN_S, "the message to the intake")
        return ""

    def _is_queued(self, key: str) -> bool:
        """Whether a message names the object; nothing takes it from the queue meanwhile."""
        url = self._stack.physical_id("IntakeQueue")
        found = self._aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        bodies = [json.loads(message["Body"]) for message in found]
        return key in [body["detail"]["object"]["key"] for body in bodies if "detail" in body]

    def _submit_later(self, batch_id: str) -> str:
        with self._running_as("SubmitMore") as app:
            try:
                app.sender.submit(batch_id, app.clock.now() + timedelta(minutes=1))
            except Exception as error:
                return _all_of(error)
        return ""

    @contextmanager
    def _running_as(self, function: str) -> Iterator[Application]:
        """Run a function in this process: with its variables and its role, an hour later."""
        role = self._stack.physical_id(f"{function}Role")
        arn = self._aws.iam.get_role(RoleName=role)["Role"]["Arn"]
        taken = self._aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="later")["Credentials"]
        environment = {
            **self._variables(function),
            "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
            "AWS_SESSION_TOKEN": taken["SessionToken"],
            "AWS_ENDPOINT_URL": self._aws.endpoint,
            "AWS_CA_BUNDLE": str(self._aws.ca_bundle),
        }
        before = dict(os.environ)
        os.environ.update(environment)
        settings, meter = Settings(environment), Meter(function_metrics)
        try:
            yield Application(settings, AwsPorts(settings, BACKGROUND, meter, LaterClock()), meter)
        finally:
            os.environ.clear()
            os.environ.update(before)
            self._forget_records("slots#")  # its next slot is an hour away

    # --- set-up -------------------------------------------------------------------------------------------

    def _submitted(self, rows: int = 2, metadata: Mapping[str, str] | None = None) -> str:
        key, _ = self._put("inbox/", rows, metadata)
        self._must(self._take(_created(self._bucket, key)))
        return self._batch_of(key)

    def _past_canary(self, rows: int) -> str:
        batch_id = self._submitted(rows)
        self._must(self._api("POST", f"/batches/{batch_id}/approve"))
        self._must(self._step("PollJobs", batch_id))
        return batch_id

    def _is_running(self, batch_id: str) -> bool:
        machine = self._stack.outputs["StateMachineArn"]
        running = self._aws.stepfunctions.list_executions(stateMachineArn=machine, statusFilter="RUNNING")
        return any(run["name"].startswith(batch_id) for run in running["executions"])

    def _settled(self) -> str:
        batch_id = self._submitted()
        self._must(self._step("PollJobs", batch_id))
        return batch_id

    def _reported(self) -> str:
        batch_id = self._settled()
        self._must(self._step("WriteReport", batch_id))
        return batch_id

    def _doubtful(self) -> str:
        self._stack.standin.add_fault(_LOST)
        key, _ = self._put("inbox/")
        self._call("SubmitBatch", _records(_created(self._bucket, key)))
        batch_id = self._batch_of(key)
        self._must(self._step("PollJobs", batch_id))
        self._must(self._step("WriteReport", batch_id))
        return batch_id

    def _put(
        self,
        prefix: str,
        rows: int = 2,
        metadata: Mapping[str, str] | None = None,
        times: int = 1,
        bad_row: str = "",
        **options: Any,
    ) -> tuple[str, str]:
        """Put a file whose content is new; returns its key and version."""
        lines = [f"{name},{self._fresh()},Café" for _ in range(times) for name in _customers(rows)]
        return self._put_text(prefix, "\n".join([*lines, bad_row]), metadata, **options)

    def _put_text(
        self, prefix: str, rows: str, metadata: Mapping[str, str] | None = None, **options: Any
    ) -> tuple[str, str]:
        """Put a file of these rows; returns its key and version."""
        self._forget_counted()
        key = f"{prefix}{uuid.uuid4().hex}.csv"
        body = f"customerId,amount,reason\n{rows}".encode()
        put = self._aws.s3.put_object(
            Bucket=self._bucket, Key=key, Body=body, Metadata=dict(metadata or {}), **options
        )
        return key, put["VersionId"]

    def _forget_counted(self) -> None:
        """Forget the batches of the last day that needed no approval: each scene is judged by itself."""
        counted = {"pk": {"S": "unapproved"}, "sk": {"S": "unapproved"}}
        self._aws.dynamodb.delete_item(TableName=self._table, Key=counted)

    def _fresh(self) -> int:
        self._amount += 1
        return self._amount

    def _batch_of(self, key: str) -> str:
        [batch_id] = self._batches_of(key)
        return batch_id

    def _batches_of(self, key: str) -> list[str]:
        """The batches that a key became, read from the table itself: no function is asked."""
        pages = self._aws.dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            IndexName="listing",
            KeyConditionExpression="listing = :all",
            FilterExpression="#source.#key = :key",
            ExpressionAttributeNames={"#source": "source", "#key": "key"},
            ExpressionAttributeValues={":all": {"S": "batch"}, ":key": {"S": key}},
        )
        return [item["batchId"]["S"] for page in pages for item in page["Items"]]

    def _forget(self) -> None:
        """Empty the table, the inbox and recurring/: the sweep looks at everything."""
        self._forget_records("")
        self._clear("inbox/")
        self._clear("recurring/")

    def close_circuit(self) -> None:
        """Forget that keys were refused or unreadable; else all calls would be put off for a while."""
        self._forget_records("circuit#")

    def _forget_records(self, prefix: str) -> None:
        for page in self._aws.dynamodb.get_paginator("scan").paginate(TableName=self._table):
            for item in page["Items"]:
                if item["pk"]["S"].startswith(prefix):
                    key = {"pk": item["pk"], "sk": item["sk"]}
                    self._aws.dynamodb.delete_item(TableName=self._table, Key=key)

    def _clear(self, prefix: str) -> None:
        pages = self._aws.s3.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=prefix
        )
        for page in pages:
            for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
                self._aws.s3.delete_object(
                    Bucket=self._bucket, Key=entry["Key"], VersionId=entry["VersionId"]
                )

    def _must(self, failed: str) -> None:
        if failed:
            raise AssertionError(f"the scene could not be set up: {failed}")

    # --- calls --------------------------------------------------------------------------------------------

    def _call(
        self, function: str, event: Mapping[str, Any], normal: frozenset[str] | set[str] = frozenset()
    ) -> tuple[Any, str]:
        """Call a function; returns its answer and what went wrong: an error, or an unexpected warning."""
        self._called_at_ms = int(time.time() * 1000)
        done: Any = self._aws.functions.invoke(
            FunctionName=self._name(function), Payload=json.dumps(event, default=str).encode()
        )
        answer = json.loads(done["Payload"].read())
        if "FunctionError" in done:
            return answer, _told(answer)
        lines = self._lines(function, self._called_at_ms).splitlines()
        warnings = [line for line in lines if '"level":"WARNING"' in line or '"level":"ERROR"' in line]
        told = [line for line in warnings if json.loads(line)["message"] not in normal]
        return answer, "\n".join(told)

    def _lines(self, function: str, since_ms: int) -> str:
        """Read what a function has logged in its last call."""
        group = self._stack.physical_id(f"{function}Logs")

        def look() -> str:
            found = self._aws.logs.filter_log_events(logGroupName=group, startTime=since_ms)
            told = "\n".join(event["message"].rstrip() for event in found["events"])
            return told if "REPORT " in told else ""

        return wait_for(look, _WITHIN_S, f"the log of {function}")

    def _name(self, function: str) -> str:
        if function not in self._names:
            self._names[function] = self._stack.physical_id(function)
        return self._names[function]

    def _variables(self, function: str) -> dict[str, str]:
        configured = self._aws.functions.get_function_configuration(FunctionName=self._name(function))
        return dict(configured["Environment"]["Variables"])


class _BrokenOff(Exception):
    """Raised between two parts of a file."""


class LaterClock:
    """An hour ahead."""

    def now(self) -> datetime:
        """See ``Clock``."""
        return datetime.now(UTC) + _FAR

    def sleep(self, seconds: float) -> None:
        """See ``Clock``."""
        time.sleep(seconds)


def _customers(rows: int) -> list[str]:
    return [f"c{number:03}" for number in range(1, rows + 1)]


def _one(**fields: object) -> dict[str, Any]:
    good = {"customerId": "c001", "username": "ops", "reason": "goodwill", "points": 5}
    return {**good, "transactionId": str(uuid.uuid4()), **fields}


def _created(bucket: str, key: str, version: str | None = None) -> dict[str, Any]:
    which = {"version-id": version} if version else {}
    return {"source": "aws.s3", "detail": {"bucket": {"name": bucket}, "object": {"key": key, **which}}}


def _tick(due_at: datetime) -> dict[str, Any]:
    return {"dueTime": due_at.isoformat()}


def _recurring(key: str) -> dict[str, Any]:
    return {**_tick(datetime.now(UTC)), "key": key}


def _records(body: Mapping[str, Any]) -> dict[str, Any]:
    record = {
        "messageId": str(uuid.uuid4()),
        "body": json.dumps(body),
        "attributes": {"ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }
    return {"Records": [record]}


def _request(method: str, path: str, body: object = None) -> dict[str, Any]:
    event = proxy_event(method, path, json.dumps(body) if body is not None else None)
    event["requestContext"]["requestId"] = str(uuid.uuid4())
    return event


def _told(answer: object) -> str:
    return json.dumps(answer) if answer else ""


def _all_of(error: Exception) -> str:
    """Describe an error, and those in its group."""
    inner: tuple[Exception, ...] = error.exceptions if isinstance(error, ExceptionGroup) else ()
    return "; ".join([f"{type(error).__name__}: {error}", *map(_all_of, inner)])


def open_customers(stack: LocalStack) -> None:
    """Create the customers of all scenes, with enough points."""
    stack.standin.reset()
    stack.standin.change_settings({"job_delay_s": 0, "limits": False})
    everybody = {"prefix": "c", "count": CUSTOMERS, "width": 3, "balance": 1_000_000}
    stack.standin.call("POST", "customers", {"generate": everybody})

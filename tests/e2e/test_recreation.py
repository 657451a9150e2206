"""A stack that was deleted is made again under its name, and goes on with what it knew."""

from local.adoption import adopt, find_retained_storage
from local.batch_client import BatchClient
from local.stack import LocalStack, StackSettings

ROWS = b"customerId,amount,reason\nada,5,before\n"


def test_stack_that_was_deleted_is_made_again_and_still_knows_what_was_applied() -> None:
    """All but the secret is adopted, as the emulator does not import it (contract/test_adoption.py)."""
    with LocalStack.running(StackSettings(standin_options=("--job-delay-s", "0.5"))) as stack:
        stack.scale_waits(0.1)
        stack.standin.open_customers([{"customerId": "ada", "balance": 1}])
        batches = BatchClient(stack)
        batches.drop("inbox/before.csv", ROWS)
        batch_id = batches.wait_for_first("inbox/before.csv")
        batches.wait_until_ended(batch_id)
        kept = {name: stack.outputs[name] for name in ("TableName", "BucketName")}
        stack.aws.cloudformation.delete_stack(StackName=stack.name)
        stack.aws.cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack.name)
        stack.aws.secrets.delete_secret(SecretId=f"{stack.name}/gameball", ForceDeleteWithoutRecovery=True)

        adopt(stack.aws, stack.name, find_retained_storage(stack.aws, stack.name, "", ""))
        stack.deploy()
        stack.store_keys(stack.gameball.keys)

        assert {name: stack.outputs[name] for name in kept} == kept
        assert batches.show(batch_id)["counts"]["applied"] == 1
        batches.drop("inbox/again.csv", ROWS)
        again = batches.wait_for_first("inbox/again.csv")
        batches.wait_until_ended(again)
        refused = batches.show(again)
        assert (refused["status"], refused["duplicateOf"]) == ("rejected", batch_id)

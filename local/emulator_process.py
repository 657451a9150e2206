"""The process of the emulator: MiniStack, which here replaces the keywords in a schedule's input as AWS does.

EventBridge Scheduler replaces them at each tick (User Guide, "Adding context attributes"); MiniStack passes
them on as they are, and a tick without its due time is refused.
"""

from datetime import UTC, datetime
from typing import Any


def fill_keywords(text: str, schedule_arn: str, due_at: datetime) -> str:
    """Replace the keywords in a schedule's input as EventBridge Scheduler does."""
    values = {"schedule-arn": schedule_arn, "scheduled-time": f"{due_at:%Y-%m-%dT%H:%M:%SZ}"}
    for name, value in values.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text


def main() -> None:
    """Run MiniStack until it is stopped; it replaces keywords before it calls the target of a schedule."""
    from ministack import app
    from ministack.services import eventbridge

    invoke_target = eventbridge._invoke_target

    def invoke(target: dict[str, Any], event: dict[str, Any], *others: Any) -> Any:
        if event.get("Source") == "aws.scheduler" and "Input" in target:
            due_at = datetime.fromtimestamp(event["Time"], UTC)
            target = {**target, "Input": fill_keywords(target["Input"], event["Resources"][0], due_at)}
        return invoke_target(target, event, *others)

    eventbridge._invoke_target = invoke
    app.main()


if __name__ == "__main__":
    main()

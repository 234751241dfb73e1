"""The files of deploy/aws agree with each other and with the code."""

import importlib
import json
from typing import Any

import pytest

from ingest.s3_lambda import LambdaSettings
from runtime.log_epoch import LOG_EPOCH_KEY
from runtime.settings import load_settings
from stack.home import CHECKOUT

FILES = {path.stem: json.loads(path.read_text()) for path in (CHECKOUT / "deploy/aws").glob("*.json")}
QUEUE = "arn:aws:sqs:REGION:ACCOUNT:trireme-objects"


def test_the_function_s_handler_exists_and_its_environment_is_understood() -> None:
    module, _, name = FILES["function"]["Handler"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))
    settings = load_settings(LambdaSettings, FILES["function"]["Environment"]["Variables"])
    assert settings.object_store_url == "s3://BUCKET/PREFIX"


def test_the_function_can_answer_before_the_queue_hands_its_messages_out_again() -> None:
    # AWS asks for six times the function's timeout; docs/doors.md creates the queue with 180 s.
    assert FILES["function"]["Timeout"] * 6 <= 180
    assert "VisibilityTimeout=180" in (CHECKOUT / "docs/doors.md").read_text()


def test_only_documents_are_listened_to_and_only_they_may_be_looked_at() -> None:
    [queue] = FILES["bucket-notification"]["QueueConfigurations"]
    [rule] = queue["Filter"]["Key"]["FilterRules"]
    assert rule == {"Name": "prefix", "Value": "PREFIX/objects/"}
    assert FILES["eventbridge-pattern"]["detail"]["object"]["key"] == [{"prefix": "PREFIX/objects/"}]
    objects = {each["Resource"] for each in statements("s3:GetObject")}
    assert objects == {"arn:aws:s3:::BUCKET/PREFIX/objects/*", f"arn:aws:s3:::BUCKET/PREFIX/{LOG_EPOCH_KEY}"}


def test_nothing_may_be_written_or_deleted_in_the_bucket() -> None:
    actions = {action for each in FILES["iam-policy"]["Statement"] for action in as_list(each["Action"])}
    assert {action for action in actions if action.startswith("s3:")} == {"s3:GetObject", "s3:ListBucket"}


@pytest.mark.parametrize("name", ["bucket-notification", "queue-policy", "event-source-mapping", "iam-policy"])
def test_all_mean_the_same_queue(name: str) -> None:
    assert QUEUE in json.dumps(FILES[name])


def test_messages_that_fail_come_again_alone() -> None:
    assert FILES["event-source-mapping"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def statements(action: str) -> list[dict[str, Any]]:
    return [each for each in FILES["iam-policy"]["Statement"] if action in as_list(each["Action"])]


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value

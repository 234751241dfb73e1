"""The Lambda function as it is deployed: the zip, unpacked where nothing else is installed, against a real bucket,
real queue messages (moto's) and a real broker (librdkafka's mock cluster)."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from runtime.log_epoch import LOG_EPOCH_KEY
from stack.home import CHECKOUT
from tests.mock_kafka import door_events, file_events, mock_kafka
from tests.s3_server import BUCKET, S3Server, aws_variables, s3_server

pytestmark = pytest.mark.integration

INVOKE = Path(__file__).with_name("invoke.py")
PREFIX = "store"
RUNTIME = json.loads((CHECKOUT / "deploy/aws/function.json").read_text())["Runtime"].removeprefix("python")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
NAMES = ["manuals/pump (2).txt", "Übersicht & mehr+100%.txt", "a=b;c,d.md"]


def interpreter(version: str) -> str | None:
    """A Python of this version on this machine."""
    if version == RUNNING:
        return sys.executable
    found = subprocess.run(
        ["sh", CHECKOUT / "scripts/uv.sh", "python", "find", version], capture_output=True, text=True
    )
    return found.stdout.strip() if found.returncode == 0 else None


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as started:
        yield started


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mock_kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address


# Lambda's own Python where this machine has it (`uv python install` brings it), and in any case ours.
@pytest.fixture(scope="module", params=[version for version in (RUNTIME, RUNNING) if interpreter(version)])
def unpacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A Python, and the folder with the zip for it, unpacked."""
    python = interpreter(request.param)
    assert python is not None
    folder = tmp_path_factory.mktemp("zip")
    command = [sys.executable, CHECKOUT / "deploy/aws/build_zip.py", "--python", request.param]
    subprocess.run([*command, "--output", folder / "function.zip"], check=True, capture_output=True)
    with zipfile.ZipFile(folder / "function.zip") as archive:
        archive.extractall(folder / "task")
    return python, folder / "task"


class Queue:
    """A queue that the bucket sends its notifications to, as deploy/aws configures them."""

    def __init__(self, server: S3Server) -> None:
        self._sqs: Any = boto3.client(
            "sqs",
            endpoint_url=f"http://{server.host}:{server.port}",
            aws_access_key_id="id",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self._url = self._sqs.create_queue(QueueName="trireme-objects")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        configuration = json.loads(
            (CHECKOUT / "deploy/aws/bucket-notification.json").read_text().replace("PREFIX", PREFIX)
        )
        [wanted] = configuration["QueueConfigurations"]
        server.client.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [wanted | {"QueueArn": arn}]}
        )

    def batch(self) -> list[dict[str, Any]]:
        """All messages, in the form in which Lambda hands them to a function."""
        records = []
        while messages := self._sqs.receive_message(QueueUrl=self._url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                records.append(
                    {"messageId": message["MessageId"], "body": message["Body"], "eventSource": "aws:sqs"}
                )
        return records


def invoke(
    unpacked: tuple[str, Path], server: S3Server, broker: str, *events: Any, seconds: float = 20.0
) -> tuple[list[Any], str]:
    """What the function answers to each event, and what it logs."""
    python, folder = unpacked
    environment = {
        "PATH": os.environ["PATH"],
        "TRIREME_KAFKA_BOOTSTRAP": broker,
        "TRIREME_OBJECT_STORE_URL": f"s3://{BUCKET}/{PREFIX}",
        **aws_variables(server.host, server.port),
    }
    command = [python, "-I", "-S", str(INVOKE), str(folder), str(seconds)]
    ended = subprocess.run(
        command, input=json.dumps(events), env=environment, capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    *lines, last = ended.stdout.strip().splitlines()
    said = json.loads(last)
    assert said["foreign"] == [], "only what is in the zip was imported"
    return said["answers"], "\n".join([*lines, ended.stderr])


def test_the_zip_alone_passes_the_bucket_s_events_on(
    unpacked: tuple[str, Path], server: S3Server, broker: str
) -> None:
    queue, place = Queue(server), f"{PREFIX}/objects/t/{unpacked[1].parent.name}"
    server.client.put_object(
        Bucket=BUCKET, Key=f"{PREFIX}/{LOG_EPOCH_KEY}", Body=b'{"epoch": 3, "identity": "c/t"}'
    )
    queue.batch()
    for name in NAMES:
        server.client.put_object(
            Bucket=BUCKET, Key=f"{place}/{name}", Body=name.encode(), ContentType="text/plain"
        )
    server.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/items/g/x", Body=b"not a document")
    created = queue.batch()
    assert len(created) == len(NAMES), "the filter lets documents through and nothing else"
    server.client.delete_object(Bucket=BUCKET, Key=f"{place}/{NAMES[0]}")
    removed = queue.batch()
    bad = {"messageId": "bad", "body": "{}", "eventSource": "aws:sqs"}
    foreign = created[0] | {"messageId": "foreign", "body": created[0]["body"].replace(BUCKET, "elsewhere")}

    first, second, test_event, direct, refused = invoke(
        unpacked,
        server,
        broker,
        {"Records": [bad, *created[1:], foreign]},
        {"Records": [*created[:1], *removed]},
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET},
        json.loads(created[1]["body"]),
        {"hello": "world"},
    )[0]
    assert {each["itemIdentifier"] for each in first["batchItemFailures"]} == {"bad", "foreign"}
    assert second == {"batchItemFailures": []}
    assert test_event == {"taken": []}
    assert direct == {"taken": ["added"]}
    assert refused["errorType"] == "BadMessage"

    events = [event for event in file_events(broker) if event.collection == unpacked[1].parent.name]
    added = [(e.source_key, e.size_bytes, e.content_type) for e in events if e.event == "added"]
    direct_name = next(name for name in NAMES[1:] if added.count((name, len(name.encode()), "text/plain")) == 2)
    expected = [*NAMES[1:], direct_name]
    assert sorted(added) == sorted((name, len(name.encode()), "text/plain") for name in expected)
    assert [event.source_key for event in events if event.event == "deleted"] == [NAMES[0]]
    for event in events:
        if event.event == "added":
            assert event.etag == server.client.head_object(Bucket=BUCKET, Key=f"{PREFIX}/{event.uri}")["ETag"]
    told = [event for event in door_events(broker) if event.collection == unpacked[1].parent.name]
    assert len(told) == len(events)
    assert all(event.version >> 40 == 3 for event in told), "the version carries the epoch of the log"


def test_outcomes_are_counted_in_cloudwatch_s_own_form(
    unpacked: tuple[str, Path], server: S3Server, broker: str
) -> None:
    server.client.put_object(
        Bucket=BUCKET, Key=f"{PREFIX}/{LOG_EPOCH_KEY}", Body=b'{"epoch": 3, "identity": "c/t"}'
    )
    _, log = invoke(unpacked, server, broker, {"hello": "world"})
    [line] = [json.loads(line) for line in log.splitlines() if '"_aws"' in line]
    [described] = line["_aws"]["CloudWatchMetrics"]
    assert (line["outcome"], line[described["Metrics"][0]["Name"]]) == ("refused", 1)


def test_while_no_broker_answers_the_whole_batch_comes_again(unpacked: tuple[str, Path], server: S3Server) -> None:
    server.client.put_object(
        Bucket=BUCKET, Key=f"{PREFIX}/{LOG_EPOCH_KEY}", Body=b'{"epoch": 3, "identity": "c/t"}'
    )
    queue = Queue(server)
    queue.batch()
    server.client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/objects/t/c/x.txt", Body=b"x")
    [message] = queue.batch()
    [answer], _ = invoke(unpacked, server, "127.0.0.1:9", {"Records": [message]}, seconds=3)
    assert answer == {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}


def test_two_builds_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        command = [sys.executable, CHECKOUT / "deploy/aws/build_zip.py", "--output", tmp_path / name]
        subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()

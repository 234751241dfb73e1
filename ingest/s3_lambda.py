"""AWS Lambda: what comes into the bucket, or leaves it, becomes `file_added` events. `ingest.s3_lambda.handler`.

Takes S3's own notifications, EventBridge's, SNS's, and batches of an SQS queue that holds any of them. `make
lambda` packs it; docs/doors.md tells how to deploy it.
"""

import asyncio
import json
import os
import time
from collections import Counter
from functools import cache
from typing import Any, Literal, Protocol

from contracts.errors import DependencyDown, TriremeError
from contracts.metrics import DOOR_EVENTS
from ingest.doors.object_events import Bucket, ObjectEvents
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.settings import ProcessSettings, load_settings
from runtime.telemetry import configure_logging

# Time to answer in, before Lambda ends the invocation.
_ANSWER_S = 1.0


class LambdaSettings(ProcessSettings):
    """Settings of the Lambda function, from its environment (`TRIREME_*`).

    Args:
        lane: "bulk" for a bucket whose arrivals must not delay people's uploads.
    """

    process: str = "s3-lambda"
    lane: Literal["live", "bulk"] = "live"


class Context(Protocol):
    """What Lambda says about an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """How long it may still take."""
        ...


class Function:
    """One execution environment of the function: its connections outlive an invocation."""

    def __init__(self, settings: LambdaSettings) -> None:
        self._settings = settings
        self._bucket = Bucket(settings.object_store_url)
        self._store = ObjectStore.from_url(settings.object_store_url)
        self._producer = KafkaProducer(settings.kafka_bootstrap, settings.process)
        self._runner = asyncio.Runner()

    def handle(self, event: Any, *, time_left_s: float) -> dict[str, Any]:
        """Take an event; the answer to a queue names the messages that have to come again.

        Side effects: prints how many notices became what, as a metric that CloudWatch reads from the log.

        Raises:
            TriremeError: an event that came without a queue was not taken in full. Lambda sends it again, and at
                last to the function's destination for failures.
        """
        counts: Counter[str] = Counter()
        try:
            return self._runner.run(self._handle(event, time_left_s, counts))
        finally:
            _print_counts(counts, self._settings.process)

    async def _handle(self, event: Any, time_left_s: float, counts: Counter[str]) -> dict[str, Any]:
        # An environment may live for hours; versions are right whenever the epoch was raised meanwhile.
        publisher = DocumentPublisher(self._store, self._producer, await read_log_epoch(self._store))
        events = ObjectEvents(
            self._bucket,
            self._store,
            publisher,
            lambda outcome: counts.update((outcome,)),
            lane=self._settings.lane,
        )
        match event:
            case {"Records": [{"eventSource": "aws:sqs"}, *_] as messages}:
                failed = await _take_batch(events, messages, time_left_s)
                return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
        try:
            async with asyncio.timeout(time_left_s):
                return {"taken": await events.take_all(events.read(event))}
        except TimeoutError as exc:
            raise DependencyDown("kafka", "The event could not be passed on in time.") from exc


async def _take_batch(events: ObjectEvents, messages: list[Any], time_left_s: float) -> list[str]:
    """Take a queue's messages side by side; returns the ids of those that have to come again.

    One that can never be taken comes again too, until the queue's redrive policy puts it aside for a person.
    """

    async def take(body: str) -> None:
        await events.take_all(events.read(body))

    tasks = {asyncio.create_task(take(str(message.get("body")))): message["messageId"] for message in messages}
    done, late = await asyncio.wait(tasks, timeout=time_left_s)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    failed = [tasks[task] for task in late]
    for task in done:
        error = task.exception()
        if error is not None and not isinstance(error, TriremeError):
            raise error
        if error is not None:
            failed.append(tasks[task])
    return failed


def _print_counts(counts: Counter[str], process: str) -> None:
    """One line in CloudWatch's embedded metric format for each outcome (Amazon CloudWatch user guide)."""
    for outcome, n in counts.items():
        described = {
            "Namespace": "Trireme",
            "Dimensions": [["process", "outcome"]],
            "Metrics": [{"Name": DOOR_EVENTS.name, "Unit": "Count"}],
        }
        line = {
            "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [described]},
            "process": process,
            "outcome": outcome,
            DOOR_EVENTS.name: n,
        }
        print(json.dumps(line), flush=True)  # noqa: T201 - the log of a Lambda function is its output


@cache
def _function() -> Function:
    settings = load_settings(LambdaSettings, os.environ)
    configure_logging(settings.process, settings.log_level)
    return Function(settings)


def handler(event: Any, context: Context) -> dict[str, Any]:
    """Lambda's entry point."""
    left_s = context.get_remaining_time_in_millis() / 1000 - _ANSWER_S
    return _function().handle(event, time_left_s=max(left_s, _ANSWER_S))

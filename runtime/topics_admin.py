"""Creates Kafka's topics as `contracts.topics` states them, and tells whether a topic is still the same one."""

import time
from collections.abc import Iterable

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from contracts.errors import ConfigurationError, DependencyDown
from contracts.topics import TopicSpec
from runtime.kafka_address import connection

_POLL_S = 0.2


def ensure_topics(
    bootstrap: str, specs: Iterable[TopicSpec], *, timeout_s: float, replication: int = 1
) -> tuple[str, ...]:
    """Create the topics that are missing and wait until all are visible; returns the names created.

    Raises:
        ConfigurationError: a topic exists with another number of partitions (they are frozen).
        DependencyDown: Kafka did not answer in time.
    """
    wanted = {spec.name: spec for spec in specs}
    admin = _admin(bootstrap)
    deadline = time.monotonic() + timeout_s
    existing = _partitions(admin, timeout_s)
    missing = [spec for name, spec in wanted.items() if name not in existing]
    if missing:
        futures = admin.create_topics(
            [NewTopic(s.name, s.partitions, replication, config=s.config()) for s in missing],
            request_timeout=timeout_s,
        )
        for future in futures.values():
            try:
                future.result(timeout=timeout_s)
            except ck.KafkaException as exc:
                if exc.args[0].code() != ck.KafkaError.TOPIC_ALREADY_EXISTS:
                    raise DependencyDown("kafka", "Kafka refused to create a topic.") from exc
    while not wanted.keys() <= (existing := _partitions(admin, timeout_s)).keys():
        if time.monotonic() > deadline:
            raise DependencyDown("kafka", "Kafka did not show the new topics in time.")
        time.sleep(_POLL_S)
    for name, spec in wanted.items():
        if existing[name] != spec.partitions:
            raise ConfigurationError(
                f"The topic '{name}' has {existing[name]} partitions instead of {spec.partitions}; "
                "partition counts never change, because document versions depend on them."
            )
    return tuple(spec.name for spec in missing)


def topic_identity(bootstrap: str, topic: str, *, timeout_s: float = 10.0) -> str:
    """ "cluster id/topic id": it changes when the topic was re-created or another cluster answers.

    librdkafka's mock cluster has no topic ids; its part is then "none".

    Raises:
        DependencyDown: no answer, or no such topic.
    """
    admin = _admin(bootstrap)
    try:
        metadata = admin.list_topics(topic, timeout=timeout_s)
        cluster_id = metadata.cluster_id or "none"
        described = admin.describe_topics(ck.TopicCollection([topic]), request_timeout=timeout_s)
        topic_id = str(described[topic].result(timeout=timeout_s).topic_id)
    except ck.KafkaException as exc:
        if exc.args[0].code() == ck.KafkaError._UNSUPPORTED_FEATURE:
            return f"{cluster_id}/none"
        raise DependencyDown("kafka") from exc
    return f"{cluster_id}/{topic_id}"


def _admin(bootstrap: str) -> AdminClient:
    return AdminClient({**connection(bootstrap), "log_level": 2})


def _partitions(admin: AdminClient, timeout_s: float) -> dict[str, int]:
    try:
        topics = admin.list_topics(timeout=timeout_s).topics
    except ck.KafkaException as exc:
        raise DependencyDown("kafka") from exc
    return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}

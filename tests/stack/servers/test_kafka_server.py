"""The embedded broker, really formatted and started."""

from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from stack.ports import free_ports
from stack.servers.java import find_java
from stack.servers.kafka import KafkaNode, KafkaPorts, KafkaSetupError, cluster_id, kafka_properties, prepare_kafka
from tests.stack.servers.conftest import PATHS, needs, running

NODE = KafkaNode(Path("java"), Path("libs"), Path("log4j2.properties"), Path("data"))


def test_every_listener_is_on_loopback() -> None:
    lines = dict(line.split("=", 1) for line in kafka_properties(NODE, KafkaPorts(1111, 2222)).splitlines())
    listeners = f"{lines['listeners']},{lines['advertised.listeners']}".split(",")
    assert all(listener.split("://")[1].startswith("127.0.0.1:") for listener in listeners)
    assert lines["auto.create.topics.enable"] == "false"


def test_the_cluster_keeps_its_id(tmp_path: Path) -> None:
    first = cluster_id(tmp_path)
    assert len(first) == 22
    assert cluster_id(tmp_path) == first


@pytest.fixture
def node(tmp_path: Path) -> KafkaNode:
    java = find_java(PATHS.java_wheel)
    needs(java is not None and PATHS.kafka_jars.is_dir(), "the broker")
    assert java is not None
    return KafkaNode(java.executable, PATHS.kafka_jars, PATHS.kafka_log4j, tmp_path / "kafka")


@pytest.mark.integration
async def test_records_and_cluster_survive_a_restart_on_other_ports(node: KafkaNode, tmp_path: Path) -> None:
    first = prepare_kafka(node, KafkaPorts(*free_ports(2)))
    async with running(first, tmp_path / "first.log"):
        address = f"127.0.0.1:{first.ports['clients']}"
        admin = AdminClient({"bootstrap.servers": address})
        admin.create_topics([NewTopic("kept", 3, 1)])["kept"].result(20)
        producer = Producer({"bootstrap.servers": address, "acks": "all", "linger.ms": 0})
        for n in range(100):
            producer.produce("kept", str(n).encode(), partition=n % 3)
        assert producer.flush(20) == 0
        known_as = admin.list_topics(timeout=10).cluster_id
    second = prepare_kafka(node, KafkaPorts(*free_ports(2)))
    async with running(second, tmp_path / "second.log"):
        address = f"127.0.0.1:{second.ports['clients']}"
        assert AdminClient({"bootstrap.servers": address}).list_topics(timeout=10).cluster_id == known_as
        assert known_as == cluster_id(node.data)
        assert read_all(address, 100) == {str(n) for n in range(100)}


def read_all(address: str, count: int) -> set[str]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition("kept", partition, 0) for partition in range(3)])
    messages = [message for message in consumer.consume(count, timeout=20) if message.error() is None]
    consumer.close()
    return {message.value().decode() for message in messages}


@pytest.mark.integration
def test_a_folder_that_cannot_be_formatted_is_an_error_that_says_so(node: KafkaNode) -> None:
    node.data.mkdir(parents=True)
    node.logs.write_text("a file where the folder should be")
    with pytest.raises(KafkaSetupError, match="formatting"):
        prepare_kafka(node, KafkaPorts(*free_ports(2)))

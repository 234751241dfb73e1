"""The broker that docker-compose.yml describes, started from its own settings: who has the password gets in."""

from pathlib import Path

import confluent_kafka as ck
import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from runtime.kafka_address import connection
from runtime.kafka_producer import KafkaProducer
from stack.ports import free_ports
from stack.servers.java import find_java
from stack.servers.kafka import KafkaNode, KafkaPorts, format_storage, kafka_spec
from tests.architecture.compose_file import load
from tests.architecture.test_compose import SECRETS
from tests.stack.servers.conftest import PATHS, needs, running


def properties(environment: dict[str, object], ports: KafkaPorts, logs: Path) -> str:
    """A `server.properties` of what the image makes of KAFKA_* variables, on ports of this machine."""
    placed = {
        "KAFKA_LISTENERS": f"CLIENTS://127.0.0.1:{ports.clients},CONTROLLER://127.0.0.1:{ports.controller}",
        "KAFKA_ADVERTISED_LISTENERS": f"CLIENTS://127.0.0.1:{ports.clients}",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": f"1@127.0.0.1:{ports.controller}",
        "KAFKA_LOG_DIRS": str(logs),
    }
    named = {name: value for name, value in {**environment, **placed}.items() if name.startswith("KAFKA_")}
    named.pop("KAFKA_HEAP_OPTS")
    lines = (f"{name.removeprefix('KAFKA_').lower().replace('_', '.')}={value}\n" for name, value in named.items())
    return "".join(lines)


def topics(address: str) -> dict[str, object]:
    admin = AdminClient({**connection(address), "log_level": 0})
    return dict(admin.list_topics(timeout=5).topics)


@pytest.mark.integration
async def test_a_login_opens_the_broker_and_nothing_else_does(tmp_path: Path) -> None:
    java = find_java(PATHS.java_wheel)
    needs(java is not None and PATHS.kafka_jars.is_dir(), "the broker")
    assert java is not None
    node = KafkaNode(java.executable, PATHS.kafka_jars, PATHS.kafka_log4j, tmp_path / "kafka")
    ports = KafkaPorts(*free_ports(2))
    node.data.mkdir()
    services = load(SECRETS)["services"]
    node.properties.write_text(properties(services["kafka"]["environment"], ports, node.logs))
    format_storage(node)
    login = services["gateway"]["environment"]["TRIREME_KAFKA_BOOTSTRAP"].replace(
        "kafka:9092", f"127.0.0.1:{ports.clients}"
    )
    spec = kafka_spec(node, ports, address=login)
    async with running(spec, tmp_path / "kafka.log"):
        producer = KafkaProducer(login, "test")
        try:
            admin = AdminClient(connection(login))
            admin.create_topics([NewTopic("t", 1, 1)])["t"].result(20)
            assert producer.send_bytes("t", b"value").result(20).offset == 0
        finally:
            producer.close()
        assert "t" in topics(login)
        for refused in (login.replace(SECRETS["KAFKA_PASSWORD"], "wrong"), f"127.0.0.1:{ports.clients}"):
            with pytest.raises(ck.KafkaException):
                topics(refused)

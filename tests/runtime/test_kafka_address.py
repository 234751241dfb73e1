"""Where Kafka is, in one setting: what librdkafka is told, and what is refused without telling the password."""

import confluent_kafka as ck
import pytest

from contracts.errors import ConfigurationError
from runtime.kafka_address import connection


def test_hosts_alone_are_plain() -> None:
    assert connection("a:9092,b:9092") == {"bootstrap.servers": "a:9092,b:9092"}


def test_a_login_names_user_password_and_the_strongest_mechanism() -> None:
    assert connection("sasl_plaintext://trireme:p%40ss%3Aword@kafka:9092") == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "sasl_plaintext",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "trireme",
        "sasl.password": "p@ss:word",
    }


def test_options_choose_the_mechanism_and_the_certificates() -> None:
    found = connection("sasl_ssl://u:p@a:9093,b:9093?ca=/etc/ca.crt&mechanism=PLAIN")
    assert (found["sasl.mechanism"], found["ssl.ca.location"]) == ("PLAIN", "/etc/ca.crt")
    assert found["bootstrap.servers"] == "a:9093,b:9093"
    own = connection("ssl://a:9093?ca=/ca.crt&certificate=/u.crt&key=/u.key")
    assert (own["ssl.certificate.location"], own["ssl.key.location"]) == ("/u.crt", "/u.key")


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("https://kafka:9092", "'https' is none of"),
        ("sasl_ssl://kafka:9092", "needs user:password@"),
        ("sasl_plaintext://secret-user@kafka:9092", "needs user:password@"),
        ("ssl://u:secret@kafka:9092", "takes no user"),
        ("sasl_ssl://u:secret@kafka:9092?cert=/a", "'cert' is none of the options"),
        ("sasl_plaintext://u:secret@kafka:9092?ca=/a", "'ca' belongs to"),
        ("sasl_ssl://u:secret@kafka:9092?mechanism=NONE", "a mechanism is one of"),
        ("sasl_ssl://u:secret@", "host:port"),
        ("sasl_ssl://u:secret@kafka:9092/topic", "no path"),
    ],
)
def test_what_cannot_be_used_is_refused_without_its_password(address: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        connection(address)
    assert "secret" not in str(caught.value)


def test_librdkafka_knows_every_setting() -> None:
    ck.Producer(connection("sasl_plaintext://u:p@127.0.0.1:1?mechanism=SCRAM-SHA-256") | {"log_level": 0})
    with pytest.raises(ck.KafkaException, match=r"ssl\.ca\.location"):
        ck.Producer(connection("sasl_ssl://u:p@127.0.0.1:1?ca=/nowhere/ca.crt") | {"log_level": 0})

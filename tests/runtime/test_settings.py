import pytest

from contracts.errors import ConfigurationError
from runtime.settings import ProcessSettings, load_settings


class ShardLike(ProcessSettings):
    shards: tuple[int, ...] = (0,)


def test_variables_become_typed_fields() -> None:
    settings = load_settings(
        ShardLike,
        {"TRIREME_PROCESS": "shard-1", "TRIREME_SHARDS": "1, 2", "TRIREME_HEALTH_PORT": "81", "HOME": "/"},
    )
    assert (settings.process, settings.shards, settings.health_port) == ("shard-1", (1, 2), 81)


def test_an_unknown_variable_stops_the_process() -> None:
    with pytest.raises(ConfigurationError, match="TRIREME_KAFKA_BOOTSTRP"):
        load_settings(ShardLike, {"TRIREME_PROCESS": "x", "TRIREME_KAFKA_BOOTSTRP": "y"})


def test_a_value_that_does_not_parse_stops_the_process_and_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError, match="TRIREME_HEALTH_PORT") as caught:
        load_settings(ShardLike, {"TRIREME_PROCESS": "x", "TRIREME_HEALTH_PORT": "s3cret"})
    assert "s3cret" not in caught.value.message


def test_settings_cannot_be_changed() -> None:
    settings = load_settings(ShardLike, {"TRIREME_PROCESS": "x"})
    with pytest.raises(ValueError, match="frozen"):
        settings.process = "y"  # type: ignore[misc]

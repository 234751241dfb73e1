"""Settings of an index process: proper ones are read, improper ones stop the process with a sentence."""

import pytest

from contracts.errors import ConfigurationError
from index_service.server import load_space
from index_service.settings import IndexSettings
from runtime.settings import load_settings

PROPER = {
    "TRIREME_PROCESS": "replica",
    "TRIREME_SHARDS": "0,1,2",
    "TRIREME_GROUP": "1",
    "TRIREME_GENERATION": "0123456789ab-3",
    "TRIREME_N_SHARDS": "3",
    "TRIREME_SNAPSHOT_DIR": "snapshots",
    "TRIREME_READ_ONLY": "true",
}


def test_settings_of_a_replica_are_read():
    settings = load_settings(IndexSettings, PROPER)
    assert (settings.shards, settings.group, settings.read_only) == ((0, 1, 2), 1, True)
    assert settings.cpu_limit_cores > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHARDS", ""),
        ("SHARDS", "0,0"),
        ("SHARDS", "3"),
        ("SHARDS", "-1"),
        ("SHARDS", "one"),
        ("GROUP", "2"),
        ("GENERATION", "../elsewhere"),
        ("N_SHARDS", "0"),
        ("CPU_LIMIT_CORES", "0"),
        ("SNAPSHOT_EVERY", "10"),
    ],
)
def test_improper_settings_stop_the_process(name, value):
    with pytest.raises(ConfigurationError):
        load_settings(IndexSettings, PROPER | {f"TRIREME_{name}": value})


@pytest.mark.parametrize("content", [None, b"{}", b"not json"])
def test_missing_or_broken_space_stops_the_process(tmp_path, content):
    if content is not None:
        (tmp_path / "space.json").write_bytes(content)
    with pytest.raises(ConfigurationError):
        load_space(tmp_path)

"""The set-up step that runs by itself: `python -m stack.bootstrap`."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contracts.errors import ConfigurationError
from contracts.generations import generation_name
from contracts.space import Space
from stack.bootstrap import SPACE_FILE, BootstrapSettings, deployed_space, exported_space, main


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A model repository whose models speak a space of 2 + 2 dimensions."""
    space = Space(
        encoders={"text": "t@1", "clip_text": "c@1", "clip_image": "i@1"},
        text_dim=2,
        image_dim=2,
        centred=True,
        means={"text": (0.1, 0.0), "clip_text": (0.0, 0.1), "clip_image": (0.1, 0.1)},
    )
    (tmp_path / SPACE_FILE).write_bytes(msgspec.json.encode(space))
    return tmp_path


def expected_name(repository: Path, n_shards: int) -> str:
    return generation_name(exported_space(repository).space_id, n_shards)


@pytest.mark.parametrize("n_shards", [1, 3])
def test_generation_is_named_by_the_exported_models_and_the_number_of_shards(
    repository: Path, n_shards: int
) -> None:
    settings = BootstrapSettings(model_repository=repository, n_shards=n_shards)
    assert deployed_space(settings).generation == expected_name(repository, n_shards)


def test_generation_that_the_models_do_not_make_is_refused_with_the_right_name(repository: Path) -> None:
    settings = BootstrapSettings(model_repository=repository, generation="000000000000-3")
    with pytest.raises(ConfigurationError, match=expected_name(repository, 3)):
        deployed_space(settings)


def test_missing_models_are_named_before_anything_is_created(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="not exported"):
        deployed_space(BootstrapSettings(model_repository=tmp_path))


def test_name_can_be_printed_without_kafka_or_store(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRIREME_MODEL_REPOSITORY", str(repository))
    monkeypatch.setenv("TRIREME_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    main(["--print-generation"])
    assert capsys.readouterr().out.strip() == expected_name(repository, 3)


def test_unknown_argument_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="--print-generation"):
        main(["--settle"])

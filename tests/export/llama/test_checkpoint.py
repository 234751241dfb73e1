"""What a checkpoint folder must hold; needs no torch."""

import json
from pathlib import Path

import pytest

from contracts.errors import ConfigurationError
from export.llama.checkpoint import read_checkpoint

CONFIG = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8192, "num_hidden_layers": 32}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    return tmp_path


def test_a_complete_folder_is_read_with_the_licence_of_its_card(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: llama3\ntags: [x]\n---\n# Card\n")
    found = read_checkpoint(folder)
    assert (found.context_length, found.layers, found.licence) == (8192, 32, "llama3")
    assert [each.name for each in found.weights] == ["model.safetensors"]


def test_sharded_weights_are_all_looked_for(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="model-00002-of-00002"):
        read_checkpoint(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match=name):
        read_checkpoint(folder)


def test_pickled_weights_are_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ConfigurationError, match="safetensors"):
        read_checkpoint(folder)


def test_another_architecture_is_refused_by_name(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps(CONFIG | {"architectures": ["BertModel"]}))
    with pytest.raises(ConfigurationError, match="BertModel"):
        read_checkpoint(folder)


def test_a_checkpoint_without_a_chat_template_is_refused(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="chat template"):
        read_checkpoint(folder)

"""What a checkpoint folder must hold; needs no torch."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from contracts.errors import ConfigurationError
from export.llama.checkpoint import read_checkpoint
from export.llama.weights import LAYER_TENSORS

CONFIG = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 8192, "num_hidden_layers": 32}
ENDS = ("model.embed_tokens.weight", "model.norm.weight", "lm_head.weight")
ALL = (*ENDS, *(f"model.layers.{layer}.{name}.weight" for layer in range(32) for name in LAYER_TENSORS))


def write_weights(file: Path, names: tuple[str, ...]) -> None:
    """Safetensors of one byte each, written by the library."""
    save_file({name: np.zeros(1, dtype=np.uint8) for name in names}, file)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    write_weights(tmp_path / "model.safetensors", ALL)
    return tmp_path


def test_a_complete_folder_is_read_with_the_licence_of_its_card(folder: Path) -> None:
    (folder / "README.md").write_text("---\nlicense: llama3\ntags: [x]\n---\n# Card\n")
    found = read_checkpoint(folder)
    assert (found.context_length, found.layers, found.licence) == (8192, 32, "llama3")
    assert [each.name for each in found.weights] == ["model.safetensors"]


def test_sharded_weights_are_all_looked_for(folder: Path) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    write_weights(folder / "model-00001-of-00002.safetensors", ALL[:9])
    with pytest.raises(ConfigurationError, match="model-00002-of-00002"):
        read_checkpoint(folder)
    write_weights(folder / "model-00002-of-00002.safetensors", ALL[9:])
    assert len(read_checkpoint(folder).weights) == 2


def test_every_tensor_is_looked_for(folder: Path) -> None:
    write_weights(folder / "model.safetensors", ALL[:-1])
    with pytest.raises(ConfigurationError, match=r"model\.layers\.31\.mlp\.down_proj\.weight"):
        read_checkpoint(folder)


def test_a_head_that_is_the_embeddings_needs_no_tensor(folder: Path) -> None:
    write_weights(folder / "model.safetensors", tuple(name for name in ALL if name != "lm_head.weight"))
    with pytest.raises(ConfigurationError, match="lm_head"):
        read_checkpoint(folder)
    (folder / "config.json").write_text(json.dumps(CONFIG | {"tie_word_embeddings": True}))
    assert read_checkpoint(folder).layers == 32


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_a_weight_file_that_is_cut_short_is_seen_before_it_is_read(folder: Path, kept: int) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ConfigurationError, match="damaged"):
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

"""Whatever is wrong with a checkpoint, a disk or a number: a clear error, and a repository as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import DependencyFailed, InvalidInput, NotFound

torch = pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.checkpoints import open_checkpoint  # noqa: E402
from export.clip.build import export_clip  # noqa: E402
from export.request import ExportRequest  # noqa: E402
from export.text.build import export_text  # noqa: E402
from export.text_encoder.checkpoint import CheckpointError  # noqa: E402
from export.text_encoder.parity import ParityError  # noqa: E402
from tests.export.checkpoints import tiny_bert, tiny_clip, tiny_dual_encoder  # noqa: E402
from tests.export.test_publish import files_of_at_most, listing, publish  # noqa: E402

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def clip_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_clip(tmp_path_factory.mktemp("whole") / "clip")


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def drop_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["visual_projection.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def outgrow(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["vocab_size"] = 100
    (folder / "config.json").write_text(json.dumps(config))


def leave_a_gap(folder: Path) -> None:
    """As many tokens as before, and one of them has an id that the model has no row for."""
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    last = max(vocabulary, key=lambda token: vocabulary[token])
    plain = next(token for token in vocabulary if token != last and "|" not in token)
    vocabulary[plain] = vocabulary[last] + 1
    path.write_text(json.dumps(tokenizer))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "neither config.json nor"),
    "a configuration that is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "damaged"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no weights"),
    "weights cut short": (lambda folder: cut(folder / "model.safetensors"), "damaged, cut short"),
    "a weight is missing": (drop_tensor, "1 are missing"),
    "weights of another shape": (outgrow, "do not fit|cannot be loaded"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer"),
    "a tokenizer with a token too many": (leave_a_gap, "belong to different checkpoints"),
    "no image processor": (lambda folder: (folder / "preprocessor_config.json").unlink(), "cannot be loaded"),
    "SigLIP": (lambda folder: edit_config(folder, model_type="siglip"), "architecture 'siglip'.*knows clip"),
    "another architecture": (lambda folder: edit_config(folder, model_type="gpt2"), "architecture 'gpt2'"),
    "code of its own": (
        lambda folder: edit_config(folder, model_type="mine", auto_map={"AutoModel": "a.A"}),
        "mine",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_that_is_wrong_is_named_and_nothing_is_written(
    clip_checkpoint: Path, tmp_path: Path, damage: str
) -> None:
    folder, repository = tmp_path / "clip", tmp_path / "repository"
    shutil.copytree(clip_checkpoint, folder)
    spoil, told = DAMAGES[damage]
    spoil(folder)
    with pytest.raises(CheckpointError, match=told):
        export_clip(open_checkpoint(str(folder)), ExportRequest(repository, "clip"))
    assert not repository.exists()


def test_a_text_encoder_is_no_clip_and_the_other_way_round(tmp_path: Path, clip_checkpoint: Path) -> None:
    request = ExportRequest(tmp_path / "repository", "model")
    with pytest.raises(CheckpointError, match="'bert'"):
        export_clip(open_checkpoint(str(tiny_bert(tmp_path / "bert"))), request)
    with pytest.raises(CheckpointError, match="'clip'"):
        export_text(open_checkpoint(str(clip_checkpoint)), request, pooling="mean")
    assert not request.repository.exists()


def test_what_is_neither_folder_nor_hub_id_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="neither a folder nor a hub id"):
        open_checkpoint(str(tmp_path / "nowhere"))


def test_samples_without_a_picture_are_an_error(tmp_path: Path, clip_checkpoint: Path) -> None:
    request = ExportRequest(tmp_path / "repository", "clip", samples=tmp_path)
    with pytest.raises(InvalidInput, match="no readable picture"):
        export_clip(open_checkpoint(str(clip_checkpoint)), request)


def with_outliers(folder: Path) -> Path:
    """A CLIP in which one activation of each layer is huge and counts for nothing: 8 bits then hold no other."""
    from safetensors.torch import load_file, save_file

    made = tiny_clip(folder)
    tensors = load_file(made / "model.safetensors")
    for name, tensor in tensors.items():
        if name.startswith("vision_model") and name.endswith("fc1.bias"):
            tensor[0] = 1e5
        if name.startswith("vision_model") and name.endswith("fc2.weight"):
            tensor[:, 0] = 0
    save_file(tensors, made / "model.safetensors", metadata={"format": "pt"})
    return made


def test_a_failed_gate_leaves_the_model_that_was_there(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    publish(repository, "clip_image", "clip_text", content="old")
    before = listing(repository)
    request = ExportRequest(repository, "clip", precision="int8", replace=True)
    with pytest.raises(ParityError, match="image tower in int8 is no longer PyTorch's"):
        export_clip(open_checkpoint(str(with_outliers(tmp_path / "outliers"))), request)
    assert listing(repository) == before
    assert sorted(path.name for path in repository.iterdir()) == ["clip_image", "clip_text"]


def test_a_disk_that_fills_up_leaves_the_repository_as_it_was(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    publish(repository, "other", content="old")
    checkpoint = open_checkpoint(str(tiny_bert(tmp_path / "bert")))
    with pytest.raises(DependencyFailed, match="could not be written"), files_of_at_most(20_000):
        export_text(checkpoint, ExportRequest(repository, "bert"))
    assert listing(repository) == {"other/1/model.onnx": "old"}
    assert [path.name for path in repository.iterdir()] == ["other"]


def test_ctrl_c_between_the_towers_leaves_neither(tmp_path: Path) -> None:
    repository = tmp_path / "repository"

    def interrupt_at_the_text_tower(step: str) -> None:
        if step == "Tracing the text tower":
            raise KeyboardInterrupt

    checkpoint = open_checkpoint(str(tiny_dual_encoder(tmp_path / "dual")))
    with pytest.raises(KeyboardInterrupt):
        export_clip(checkpoint, ExportRequest(repository, "dual"), progress=interrupt_at_the_text_tower)
    assert not repository.exists()

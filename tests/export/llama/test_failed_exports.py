"""Whatever is wrong with a checkpoint or a disk: a clear error, and a repository as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import DependencyFailed, TriremeError
from stack.home import CHECKOUT
from tests.export.llama import tiny

pytestmark = pytest.mark.export_env

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime_genai", reason="run with the export environment's Python")
    return tiny.write_checkpoint(tmp_path_factory.mktemp("tiny-llama"))


@pytest.fixture(params=[False, True], ids=["fresh", "with a model"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository that is not there yet, or one with a language model to be replaced."""
    folder = tmp_path / "repository"
    if request.param:
        (folder / "llama" / "1").mkdir(parents=True)
        (folder / "llama" / "config.pbtxt").write_text('name: "llama"')
        (folder / "llama" / "manifest.json").write_text("{}")
        (folder / "llama" / "1" / "model.onnx").write_bytes(b"the one before")
    return folder


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        str(each.relative_to(folder)): each.read_bytes() if each.is_file() else None for each in folder.rglob("*")
    }


def export(checkpoint: Path, repository: Path) -> object:
    from export.llama.build import export_llama
    from export.llama.checkpoint import Source

    source = Source(checkpoint, "tiny")
    return export_llama(
        repository, source, precision="fp32", device="cpu", on_progress=lambda _: None, replace=True
    )


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def without_a_tensor(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no configuration": (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
    "a configuration that is no JSON": (lambda folder: cut(folder / "config.json"), "config.json is damaged"),
    "a configuration without layers": (lambda folder: edit(folder, num_hidden_layers=None), "num_hidden_layers"),
    "another architecture": (lambda folder: edit(folder, architectures=["GPT2LMHeadModel"]), "GPT2LMHeadModel"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "has no model.safetensors"),
    "weights cut short": (lambda folder: cut(folder / "model.safetensors"), "damaged"),
    "a weight is missing": (without_a_tensor, "up_proj"),
    "weights of another shape": (lambda folder: edit(folder, intermediate_size=300), "shape|size"),
    "no tokenizer": (lambda folder: (folder / "tokenizer.json").unlink(), "has no tokenizer.json"),
    "a tokenizer that is no JSON": (lambda folder: cut(folder / "tokenizer.json"), "tokenizer"),
    "no chat template": (lambda folder: (folder / "chat_template.jinja").unlink(), "no chat template"),
    "an index that names nothing": (
        lambda folder: (folder / "model.safetensors.index.json").write_text("[]"),
        "names no weights",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_checkpoint_that_is_wrong_is_named_and_nothing_is_written(
    checkpoint: Path, repository: Path, tmp_path: Path, damage: str
) -> None:
    before = listing(repository)
    broken = Path(shutil.copytree(checkpoint, tmp_path / "broken"))
    spoil, told = DAMAGES[damage]
    spoil(broken)
    with pytest.raises(TriremeError, match=told):
        export(broken, repository)
    assert listing(repository) == before
    assert repository.exists() == bool(before)


@pytest.mark.parametrize("kilobytes", [16, 200])
def test_a_full_disk_is_said_and_leaves_the_repository_as_it_was(
    checkpoint: Path, repository: Path, kilobytes: int
) -> None:
    from tests.export.test_publish import files_of_at_most

    before = listing(repository)
    with files_of_at_most(kilobytes * 1000), pytest.raises(DependencyFailed, match="could not be written"):
        export(checkpoint, repository)
    assert listing(repository) == before
    assert repository.exists() == bool(before)


def test_an_export_that_is_stopped_at_its_last_step_leaves_the_repository_as_it_was(
    checkpoint: Path, repository: Path
) -> None:
    from export.llama.build import export_llama
    from export.llama.checkpoint import Source

    def stop_while_hashing(step: str) -> None:
        if step.startswith("Hashing"):
            raise KeyboardInterrupt

    before = listing(repository)
    with pytest.raises(KeyboardInterrupt):
        export_llama(
            repository,
            Source(checkpoint, "tiny"),
            precision="fp32",
            device="cpu",
            on_progress=stop_while_hashing,
            replace=True,
        )
    assert listing(repository) == before


def test_the_command_says_what_is_wrong_in_one_line(checkpoint: Path, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(checkpoint, tmp_path / "broken"))
    edit(broken, architectures=["BertModel"])
    for given, told in ((broken, "BertModel"), ("no/such/place", "neither a folder nor a hub id")):
        command = [sys.executable, "-m", "export.llama", str(given), "--repository", str(tmp_path / "repository")]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.strip().splitlines()[-1].startswith("Error: ")
        assert told in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "repository").exists()


def test_a_hub_id_is_fetched_by_commit_with_its_chat_template(checkpoint: Path, tmp_path: Path) -> None:
    from tests.export.local_hub import LocalHub, serving

    with serving(LocalHub("owner/tiny-llama", {"main": checkpoint})) as hub:
        command = [sys.executable, "-m", "export.llama", "owner/tiny-llama", "--precision", "fp32"]
        command += ["--repository", str(tmp_path / "repository")]
        settings = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "cache")}
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stderr
        assert "chat_template.jinja" in hub.fetched
        commit = hub.commit()
    manifest = json.loads((tmp_path / "repository" / "llama" / "manifest.json").read_text())
    assert (manifest["source"], manifest["revision"]) == ("owner/tiny-llama", commit)

"""Checkpoints from a hub: the real client against a server on this machine that speaks the hub's interface."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import ConfigurationError, DependencyDown, DependencyFailed, NotFound, TriremeError

torch = pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.checkpoints import load_tensors, open_checkpoint  # noqa: E402
from export.clip.towers import load_clip  # noqa: E402
from export.hub import Download, download  # noqa: E402
from export.text_encoder.checkpoint import CheckpointError  # noqa: E402
from tests.export.checkpoints import tiny_clip  # noqa: E402
from tests.export.local_hub import LocalHub, serving  # noqa: E402
from tests.export.test_publish import files_of_at_most  # noqa: E402

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = "owner/tiny-clip"
SECRET = "hf_SecretOfThisTest"
CARD = "---\nlicense: mit\n---\nA tiny CLIP."
CODE = "raise SystemExit('a checkpoint\\'s own code was run')\n"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository as people publish them: weights in three formats, and code."""
    folder = tiny_clip(tmp_path_factory.mktemp("published") / "clip")
    (folder / "README.md").write_text(CARD)
    (folder / "modeling_clip.py").write_text(CODE)
    shutil.copy(folder / "model.safetensors", folder / "pytorch_model.bin")
    (folder / "onnx").mkdir()
    shutil.copy(folder / "model.safetensors", folder / "onnx" / "model.onnx")
    return folder


def fetched(hub: LocalHub, cache: Path, revision: str | None = None, **options: Any) -> Download:
    return download(hub.repository, revision, endpoint=hub.endpoint, cache=cache, **options)


def test_only_what_an_export_reads_is_fetched_and_the_commit_is_known(published: Path, tmp_path: Path) -> None:
    told: list[str] = []
    with serving(LocalHub(NAME, {"main": published})) as hub:
        got = fetched(hub, tmp_path, progress=told.append)
        assert got.commit == hub.commit()
        assert hub.fetched == {each.name for each in got.folder.iterdir()}
    unwanted = {"modeling_clip.py", "pytorch_model.bin", "onnx"}
    assert {each.name for each in got.folder.iterdir()} == {each.name for each in published.iterdir()} - unwanted
    assert (got.folder / "model.safetensors").read_bytes() == (published / "model.safetensors").read_bytes()
    assert told == [f"Fetching {NAME} at {got.commit[:12]}: 6 files, 0.3 MB"]


def test_a_tag_gives_the_weights_of_its_own_commit(published: Path, tmp_path: Path) -> None:
    older = tiny_clip(tmp_path / "older", eos_token_id=2)
    with serving(LocalHub(NAME, {"main": published, "v1": older})) as hub:
        newest, tagged = fetched(hub, tmp_path / "cache"), fetched(hub, tmp_path / "cache", "v1")
        pinned = fetched(hub, tmp_path / "cache", tagged.commit)
        assert (newest.commit, tagged.commit) == (hub.commit("main"), hub.commit("v1"))
    assert pinned == tagged != newest
    assert json.loads((tagged.folder / "config.json").read_text())["text_config"]["eos_token_id"] == 2


def test_weights_in_parts_are_put_together(tmp_path: Path) -> None:
    whole = tiny_clip(tmp_path / "whole")
    parts = tiny_clip(tmp_path / "parts", max_shard_size="100KB")
    assert not (parts / "model.safetensors").exists()
    with serving(LocalHub(NAME, {"main": parts})) as hub:
        checkpoint = open_checkpoint(str(fetched(hub, tmp_path / "cache").folder))
    wanted = load_tensors(open_checkpoint(str(whole)))
    found = load_clip(checkpoint).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_a_download_that_breaks_off_goes_on_where_it_was(published: Path, tmp_path: Path) -> None:
    with serving(LocalHub(NAME, {"main": published}, cuts=1)) as hub:
        got = fetched(hub, tmp_path)
        assert len([path for _, path in hub.requests if path.startswith("/large/")]) == 2
    assert (got.folder / "model.safetensors").read_bytes() == (published / "model.safetensors").read_bytes()


def test_what_was_fetched_before_is_taken_when_the_hub_is_away(published: Path, tmp_path: Path) -> None:
    with serving(LocalHub(NAME, {"main": published})) as hub:
        before = fetched(hub, tmp_path)
    assert fetched(hub, tmp_path) == before


REFUSALS: dict[str, tuple[dict[str, Any], type[TriremeError], str]] = {
    "gated files": ({"gated": "files"}, ConfigurationError, "is gated: accept its terms"),
    "gated altogether": ({"gated": "all"}, ConfigurationError, "is gated: accept its terms"),
    "private": ({"token": "another"}, NotFound, "no model of that name; if it is private"),
    "a token that is refused": ({"status": 401}, ConfigurationError, "does not let this account read"),
    "a hub in trouble": ({"status": 503}, DependencyFailed, r"answered with an error \(503\)"),
    "a hub that is silent": ({"silent": True}, DependencyDown, "hub cannot be reached"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_says_why_and_what_to_do(published: Path, tmp_path: Path, refusal: str) -> None:
    behaviour, error, told = REFUSALS[refusal]
    with serving(LocalHub(NAME, {"main": published}, **behaviour)) as hub, pytest.raises(error, match=told):
        fetched(hub, tmp_path, answer_timeout_s=0.2 if hub.silent else 30.0)


def test_what_the_hub_does_not_have_is_not_found(published: Path, tmp_path: Path) -> None:
    with serving(LocalHub(NAME, {"main": published})) as hub:
        with pytest.raises(NotFound, match="no folder 'owner/other', and the hub has no model of that name"):
            download("owner/other", endpoint=hub.endpoint, cache=tmp_path)
        with pytest.raises(NotFound, match="no revision 'v9'"):
            fetched(hub, tmp_path, "v9")
        with pytest.raises(NotFound, match="neither a folder nor a hub id"):
            download("owner/..", endpoint=hub.endpoint, cache=tmp_path)


def test_a_hub_that_is_not_there_is_said_so(published: Path, tmp_path: Path) -> None:
    with serving(LocalHub(NAME, {"main": published})) as hub:
        pass
    with pytest.raises(DependencyDown, match="hub cannot be reached"):
        fetched(hub, tmp_path)


def test_a_repository_without_weights_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with serving(LocalHub(NAME, {"main": folder})) as hub:
        with pytest.raises(CheckpointError, match="no weights on the hub"):
            fetched(hub, tmp_path / "cache")
        assert not hub.fetched


def test_a_disk_that_fills_up_while_downloading_is_said_so(published: Path, tmp_path: Path) -> None:
    with (
        serving(LocalHub(NAME, {"main": published})) as hub,
        files_of_at_most(50_000),
        pytest.raises(DependencyFailed, match="could not be stored"),
    ):
        fetched(hub, tmp_path)


def command(hub: LocalHub, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """`trireme export clip owner/tiny-clip`, as a person runs it who has a token."""
    environment = os.environ | {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": SECRET,
        "HF_DEBUG": "0",
    }
    arguments = ["export", "clip", NAME, "--repository", str(tmp_path / "repository")]
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_exports_from_a_hub_and_keeps_the_token_to_itself(published: Path, tmp_path: Path) -> None:
    with serving(LocalHub(NAME, {"main": published}, token=SECRET)) as hub:
        done = command(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"Fetching {NAME} at {hub.commit()[:12]}" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert f"Bearer {SECRET}" in hub.authorizations["127.0.0.1"]
    assert hub.authorizations["localhost"] == {None}
    for model in ("tiny_clip_image", "tiny_clip_text"):
        manifest = json.loads((tmp_path / "repository" / model / "manifest.json").read_text())
        assert (manifest["source"], manifest["revision"]) == (NAME, hub.commit())
        assert manifest["licence"] == "mit"
        assert SECRET not in json.dumps(manifest)


def test_a_gated_checkpoint_ends_the_command_with_one_sentence(published: Path, tmp_path: Path) -> None:
    with serving(LocalHub(NAME, {"main": published}, gated="files")) as hub:
        done = command(hub, tmp_path)
    assert done.returncode != 0
    assert "is gated: accept its terms" in done.stderr
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not (tmp_path / "repository").exists()

"""The demo CLIP's picture tower in the model repository, without PyTorch."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from export.demo_clip.build import ParityError, check_parity, export_clip_image
from export.demo_clip.config import DIM, HERE, IMAGE_SIZE, SPACE, WEIGHTS
from export.demo_clip.graph import build_graph, read_weights
from export.demo_clip.heldout import embed_pictures, read_heldout


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return build_graph(read_weights())


def test_exported_graph_gives_pytorchs_recorded_vectors(model: onnx.ModelProto) -> None:
    heldout = read_heldout()
    vectors = embed_pictures(model.SerializeToString(), heldout.pictures[: len(heldout.reference)])
    assert len(heldout.reference) == 32
    # The same float32 network; what is left is the order of additions.
    np.testing.assert_allclose(vectors, heldout.reference, atol=1e-4)


def test_graph_with_other_weights_is_refused() -> None:
    weights = read_weights()
    weights["head.weight"] = weights["head.weight"][::-1]
    with pytest.raises(ParityError):
        check_parity(build_graph(weights))


def test_batches_of_any_size_give_the_vectors_of_single_pictures(model: onnx.ModelProto) -> None:
    pictures = read_heldout().pictures[:7]
    data = model.SerializeToString()
    np.testing.assert_allclose(embed_pictures(data, pictures, 7), embed_pictures(data, pictures, 1), atol=1e-5)


def test_vectors_have_unit_length_even_of_noise(model: onnx.ModelProto) -> None:
    shape = (4, IMAGE_SIZE, IMAGE_SIZE, 3)
    pictures = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    vectors = embed_pictures(model.SerializeToString(), pictures)
    assert vectors.shape == (4, DIM)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_export_writes_a_version_that_opens_and_a_manifest_that_describes_it(tmp_path: Path) -> None:
    version = export_clip_image(tmp_path)
    runner = onnxruntime.InferenceSession(version / "model.onnx", providers=["CPUExecutionProvider"])
    manifest = json.loads((tmp_path / "clip_image" / "manifest.json").read_text())
    assert version == tmp_path / "clip_image" / "1"
    taken = runner.get_inputs()[0]
    assert (taken.name, taken.type) == ("image", "tensor(uint8)")
    assert taken.shape[1:] == [manifest["image_size"], manifest["image_size"], 3]
    given = runner.get_outputs()[0]
    assert (given.name, given.shape[1:]) == ("embedding", [manifest["dim"]])
    assert manifest["parity"]["min_cosine"] > 0.9999


def test_second_export_replaces_the_first_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    version = export_clip_image(tmp_path)
    (version / "model.onnx").write_bytes(b"damaged")
    export_clip_image(tmp_path)
    onnx.checker.check_model(version / "model.onnx")
    assert sorted(path.name for path in version.parent.iterdir()) == ["1", "manifest.json"]


def test_space_file_has_a_mean_for_each_tower_of_its_width() -> None:
    space = json.loads(SPACE.read_text())
    widths = {"text": space["text_dim"], "clip_text": space["image_dim"], "clip_image": space["image_dim"]}
    assert {tower: len(mean) for tower, mean in space["means"].items()} == widths
    for mean in space["means"].values():
        assert 0.05 < np.linalg.norm(mean) < 1.0


def test_checked_in_binaries_stay_under_ten_megabytes() -> None:
    kept = [path for path in HERE.iterdir() if path.suffix in {".safetensors", ".webp", ".json"}]
    assert WEIGHTS in kept
    assert sum(path.stat().st_size for path in kept) <= 10_000_000

"""The traps of exporting CLIP, each on every family, against PyTorch in the same process."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from contracts.errors import PayloadTooLarge
from contracts.tensors import EMBEDDING
from encoding.manifests import ImageManifest, TextManifest, read_manifest
from encoding.text import TextTokens
from tests.export.conftest import Exported

pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.checkpoints import open_checkpoint  # noqa: E402
from export.clip.towers import LoadedClip, TextTower, load_clip  # noqa: E402
from export.parity import session  # noqa: E402

TEXTS = ("a", "a cat", "the cat sits", "rain on the old")
# float32 sums of other lengths are added in another order.
SUMMING = 2e-6
# What another word changes at least; a thousand times as much.
VISIBLE = 2e-3


def run(exported: Exported, model: str, **feeds: NDArray[Any]) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = session(exported.graph(model)).run([EMBEDDING], feeds)[0]
    return vectors


def loaded(exported: Exported) -> LoadedClip:
    return load_clip(open_checkpoint(str(exported.checkpoint)))


def tokens_of(exported: Exported) -> TextTokens:
    manifest = read_manifest(exported.repository, exported.text, TextManifest)
    path = exported.repository / exported.text / manifest.tokenizer
    return TextTokens(path, max_length=manifest.max_length, pad_token_id=manifest.pad_token_id)


def random_pictures(count: int) -> list[Image.Image]:
    """Seeded noise of odd sizes, taller and wider than square, smaller and larger than the model's input."""
    rng = np.random.default_rng(7)
    sizes = [(int(w), int(h)) for w, h in rng.integers(9, 120, (count, 2))]
    return [Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)) for w, h in sizes]


def padded(sequences: list[list[int]], length: int, pad: int) -> dict[str, NDArray[np.int64]]:
    ids = np.full((len(sequences), length), pad, np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)], mask[row, : len(sequence)] = sequence, 1
    return {"input_ids": ids, "attention_mask": mask}


def test_pictures_prepared_by_callers_give_pytorchs_vectors(exported_clip: Exported) -> None:
    manifest = read_manifest(exported_clip.repository, exported_clip.image, ImageManifest)
    pictures = random_pictures(9)
    found = run(exported_clip, exported_clip.image, image=np.stack([manifest.prepare(each) for each in pictures]))
    np.testing.assert_allclose(found, loaded(exported_clip).torch_image_vectors(pictures), atol=1e-5)


def test_texts_give_pytorchs_vectors(exported_clip: Exported) -> None:
    tokens = tokens_of(exported_clip)
    found = run(exported_clip, exported_clip.text, **tokens.pad(tokens.ids(TEXTS)))
    np.testing.assert_allclose(found, loaded(exported_clip).torch_text_vectors(TEXTS), atol=1e-5)


def test_a_batch_of_any_size_gives_what_each_gives_alone(exported_clip: Exported) -> None:
    manifest = read_manifest(exported_clip.repository, exported_clip.image, ImageManifest)
    pixels = np.stack([manifest.prepare(each) for each in random_pictures(11)])
    together = run(exported_clip, exported_clip.image, image=pixels)
    alone = np.concatenate([run(exported_clip, exported_clip.image, image=pixels[i : i + 1]) for i in range(11)])
    np.testing.assert_allclose(together, alone, atol=SUMMING)
    tokens = tokens_of(exported_clip)
    feeds = tokens.pad(tokens.ids(TEXTS))
    together = run(exported_clip, exported_clip.text, **feeds)
    rows = [{name: values[i : i + 1] for name, values in feeds.items()} for i in range(len(TEXTS))]
    alone = np.concatenate([run(exported_clip, exported_clip.text, **row) for row in rows])
    np.testing.assert_allclose(together, alone, atol=SUMMING)


def test_padding_changes_no_vector(exported_clip: Exported) -> None:
    tokens = tokens_of(exported_clip)
    pad = read_manifest(exported_clip.repository, exported_clip.text, TextManifest).pad_token_id
    ids = tokens.ids(["a cat"])
    exact = run(exported_clip, exported_clip.text, **padded(ids, len(ids[0]), pad))
    for length in range(len(ids[0]) + 1, tokens.max_length + 1, 3):
        longer = run(exported_clip, exported_clip.text, **padded(ids, length, pad))
        np.testing.assert_allclose(longer, exact, atol=SUMMING)


def test_vectors_have_length_one(exported_clip: Exported) -> None:
    tokens = tokens_of(exported_clip)
    vectors = run(exported_clip, exported_clip.text, **tokens.pad(tokens.ids(TEXTS)))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


def test_the_causal_mask_and_the_end_of_text_pooling_are_kept(exported_clip: Exported) -> None:
    tokens = tokens_of(exported_clip)
    ids = tokens.ids(["the cat"])[0]
    end = ids[-1]
    # Everything may be seen, so that only the causal mask keeps what follows the first end of text out.
    feeds = {"input_ids": np.array([[*ids, 5, 6, 7, end], [*ids, 8, end, 9, 10]]), "attention_mask": None}
    feeds["attention_mask"] = np.ones_like(feeds["input_ids"])
    first, second = run(exported_clip, exported_clip.text, **feeds)
    alone = run(exported_clip, exported_clip.text, **padded([ids], len(ids), 0))[0]
    if exported_clip.family == "dual":
        # BERT reads in both directions: the same words do change its vector.
        assert float(np.abs(first - alone).max()) > VISIBLE
        return
    np.testing.assert_allclose(first, alone, atol=SUMMING)
    np.testing.assert_allclose(second, alone, atol=SUMMING)
    # And what comes before it counts.
    changed = run(exported_clip, exported_clip.text, **padded([[ids[0], 20, *ids[2:]]], len(ids), 0))[0]
    assert float(np.abs(changed - alone).max()) > VISIBLE


def test_no_argmax_runs_over_whole_numbers(exported_clip: Exported) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(exported_clip.graph(exported_clip.text)), strict_mode=True)
    known = {each.name: each.type.tensor_type.elem_type for each in (*model.graph.value_info, *model.graph.input)}
    places = [node.input[0] for node in model.graph.node if node.op_type == "ArgMax"]
    assert len(places) == (0 if exported_clip.family == "dual" else 1)
    assert all(known[name] == onnx.TensorProto.FLOAT for name in places)


def test_a_text_beyond_the_last_position_gets_a_clear_error(exported_clip: Exported) -> None:
    tokens = tokens_of(exported_clip)
    with pytest.raises(PayloadTooLarge, match=f"at most {tokens.max_length}"):
        tokens.ids(["x y z " * tokens.max_length])
    length = tokens.max_length + 1
    ids = np.full((1, length), 5, np.int64)
    with pytest.raises(Exception, match=r"input_ids|broadcast|dimension|Expand|Add|bounds"):
        run(exported_clip, exported_clip.text, input_ids=ids, attention_mask=np.ones_like(ids))


def test_a_longer_question_is_cut_as_the_checkpoints_own_tokenizer_cuts_it(exported_clip: Exported) -> None:
    tokens, own = tokens_of(exported_clip), loaded(exported_clip).tokenizer
    for text in ("x y z " * tokens.max_length, "a cat", "a" * 500):
        assert tokens.beginning(text) == own.torch_batch([text])["input_ids"][0].tolist()


def test_the_longest_text_is_still_taken(exported_clip: Exported) -> None:
    tokens = tokens_of(exported_clip)
    ids = tokens.ids(["a"])[0]
    longest = [ids[0], *([ids[1]] * (tokens.max_length - 2)), ids[-1]]
    assert run(exported_clip, exported_clip.text, **padded([longest], tokens.max_length, 0)).shape == (1, 16)


def test_the_manifest_tells_where_the_model_came_from_and_how_well_it_agrees(exported_clip: Exported) -> None:
    for model in (exported_clip.image, exported_clip.text):
        manifest = json.loads((exported_clip.repository / model / "manifest.json").read_text())
        assert manifest["source"] == "checkpoint"
        assert manifest["revision"].startswith("weights sha256:")
        assert len(manifest["sha256"]) == 64
        assert manifest["parity"]["min_cosine"] > 1 - 1e-5
        assert len(manifest["mean_vector"]) == manifest["dim"] == 16
        assert (exported_clip.repository / model / "config.pbtxt").read_text().startswith("# Exported by")


def test_old_configurations_pool_at_the_highest_id(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch", reason="runs in the export environment")
    from tests.export.checkpoints import tiny_clip

    clip = load_clip(open_checkpoint(str(tiny_clip(tmp_path / "old", eos_token_id=2))))
    tower: TextTower = clip.text_tower()
    ids = torch.tensor([[512, 2, 7, 513, 513], [512, 4, 513, 9, 2]])
    mask = torch.ones_like(ids)
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(
            clip.model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output, dim=-1
        )
        torch.testing.assert_close(tower(ids, mask), wanted)

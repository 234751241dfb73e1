"""The traps of exporting sentence encoders, each on every family, against PyTorch in the same process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from contracts.errors import PayloadTooLarge
from contracts.tensors import EMBEDDING
from encoding.manifests import TextManifest, read_manifest
from encoding.text import TextTokens
from tests.export.conftest import Exported

pytest.importorskip("torch", reason="runs in the export environment: `make test-export`")
pytestmark = pytest.mark.export_env

from export.checkpoints import open_checkpoint  # noqa: E402
from export.parity import session  # noqa: E402
from export.text.pooling import Prefixes, read_pooling, read_prefixes  # noqa: E402
from export.text.towers import load_encoder  # noqa: E402
from export.text_encoder.checkpoint import CheckpointError  # noqa: E402
from tests.export.checkpoints import WIDTH, tiny_bert  # noqa: E402

TEXTS = ("a", "the cat", "query: rain in the old town", "passage: " + "rain and wind " * 4)
# float32 sums of other lengths are added in another order.
SUMMING = 2e-6


def run(exported: Exported, feeds: dict[str, Any]) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = session(exported.graph(exported.text)).run([EMBEDDING], feeds)[0]
    return vectors


def tokens_of(exported: Exported) -> TextTokens:
    manifest = read_manifest(exported.repository, exported.text, TextManifest)
    path = exported.repository / exported.text / manifest.tokenizer
    return TextTokens(path, max_length=manifest.max_length, pad_token_id=manifest.pad_token_id)


def test_a_padded_batch_gives_what_pytorch_gives_for_each_text_alone(exported_text: Exported) -> None:
    checkpoint = open_checkpoint(str(exported_text.checkpoint))
    wanted = load_encoder(checkpoint, read_pooling(checkpoint)).torch_vectors(TEXTS)
    tokens = tokens_of(exported_text)
    together = run(exported_text, tokens.pad(tokens.ids(TEXTS)))
    assert together.shape == (len(TEXTS), WIDTH)
    np.testing.assert_allclose(together, wanted, atol=1e-5)
    alone = np.concatenate([run(exported_text, tokens.pad(tokens.ids([text]))) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=SUMMING)


def test_mean_and_first_token_differ(exported_text: Exported) -> None:
    checkpoint = open_checkpoint(str(exported_text.checkpoint))
    other = "cls" if read_pooling(checkpoint) == "mean" else "mean"
    tokens = tokens_of(exported_text)
    found = run(exported_text, tokens.pad(tokens.ids(TEXTS)))
    unlike = load_encoder(checkpoint, other).torch_vectors(TEXTS)  # type: ignore[arg-type]
    assert float((found * unlike).sum(axis=1).max()) < 0.99


def test_the_limit_is_that_of_the_positions_and_beyond_it_is_a_clear_error(exported_text: Exported) -> None:
    tokens = tokens_of(exported_text)
    # 66 rows of positions in XLM-RoBERTa, the first two of which no token has.
    assert tokens.max_length == 64
    longest = tokens.ids(["a " * 62])
    assert len(longest[0]) == 64
    assert np.isfinite(run(exported_text, tokens.pad(longest))).all()
    with pytest.raises(PayloadTooLarge, match="at most 64"):
        tokens.ids(["a " * 63])


def test_the_manifest_says_how_to_use_the_model(exported_text: Exported) -> None:
    manifest = json.loads((exported_text.repository / exported_text.text / "manifest.json").read_text())
    assert manifest["pooling"] == ("cls" if exported_text.family == "bert_cls" else "mean")
    assert (manifest["dim"], manifest["precision"]) == (WIDTH, "fp32")
    assert (manifest["query_prefix"], manifest["passage_prefix"]) == ("", "")
    assert manifest["parity"]["min_cosine"] > 1 - 1e-5


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": ["cls"]}, "cls"),
    ],
)
def test_both_spellings_of_the_pooling_are_read(tmp_path: Path, settings: dict[str, Any], pooling: str) -> None:
    folder = tiny_bert(tmp_path / "bert")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    assert read_pooling(open_checkpoint(str(folder))) == pooling


def test_a_pooling_that_nobody_names_is_asked_for_and_one_that_contradicts_is_refused(tmp_path: Path) -> None:
    folder = tiny_bert(tmp_path / "bert")
    with pytest.raises(CheckpointError, match="trained with mean"):
        read_pooling(open_checkpoint(str(folder)), "cls")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    with pytest.raises(CheckpointError, match="max_tokens"):
        read_pooling(open_checkpoint(str(folder)))
    (folder / "1_Pooling" / "config.json").unlink()
    with pytest.raises(CheckpointError, match="--pooling mean"):
        read_pooling(open_checkpoint(str(folder)))
    assert read_pooling(open_checkpoint(str(folder)), "cls") == "cls"


def test_prefixes_come_from_the_request_the_prompts_or_the_family(tmp_path: Path) -> None:
    plain = open_checkpoint(str(tiny_bert(tmp_path / "bert")))
    e5 = open_checkpoint(str(tiny_bert(tmp_path / "multilingual-e5-small")))
    instructed = open_checkpoint(str(tiny_bert(tmp_path / "multilingual-e5-large-instruct")))
    prompted = open_checkpoint(str(tiny_bert(tmp_path / "prompted")))
    prompts = {"prompts": {"query": "ask: ", "document": "text: "}}
    (prompted.folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    assert read_prefixes(plain, None, None) == Prefixes("", "")
    assert read_prefixes(e5, None, None) == Prefixes("query: ", "passage: ")
    assert read_prefixes(e5, "", None) == Prefixes("", "passage: ")
    assert read_prefixes(instructed, None, None) == Prefixes("", "")
    assert read_prefixes(prompted, None, None) == Prefixes("ask: ", "text: ")

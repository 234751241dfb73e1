import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers

from contracts.errors import ConfigurationError, InvalidInput, Overloaded, PayloadTooLarge
from contracts.space import Space
from contracts.trace import TraceContext
from encoding.encoder import Encoder

DIM = 4


class CountingModel:
    """Computes a vector that tells the tokens (or the pixels) it was made of; remembers the batches."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.batches: list[tuple[str, tuple[int, ...]]] = []
        self._fail_after = fail_after

    async def largest_batch(self, model: str, *, timeout_s: float) -> int:
        return 8

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, NDArray[Any]],
        outputs: Sequence[str],
        *,
        priority: int,
        timeout_s: float,
        trace: TraceContext | None = None,
    ) -> dict[str, NDArray[np.float32]]:
        if self._fail_after is not None and len(self.batches) >= self._fail_after:
            raise Overloaded("full")
        tensor = next(iter(inputs.values()))
        self.batches.append((model, tensor.shape))
        rows = [
            np.full(DIM, (row * inputs["attention_mask"][i]).sum() if "attention_mask" in inputs else row.mean())
            for i, row in enumerate(tensor)
        ]
        return {"embedding": np.stack(rows).astype(np.float32)}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 1, "a": 2, "b": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    for model in ("text_encoder", "clip_text", "clip_image"):
        (tmp_path / model / "1").mkdir(parents=True)
        manifest = {
            "model": model,
            "sha256": "same" if "text" in model else "other",
            "dim": DIM,
            "max_length": 32,
            "pad_token_id": 0,
            "tokenizer": "1/tokenizer.json",
            "image_size": 8,
            "resize": "pad_square",
        }
        (tmp_path / model / "manifest.json").write_text(json.dumps(manifest))
        if "text" in model:
            tokenizer.save(str(tmp_path / model / "1" / "tokenizer.json"))
    describe(tmp_path)
    return tmp_path


def describe(repository: Path, **prefixes: str) -> Space:
    """Write the space's description."""
    means = dict.fromkeys(("text", "clip_text", "clip_image"), [0.0] * DIM)
    space = Space(
        encoders=dict.fromkeys(means, "x@1"), text_dim=DIM, image_dim=DIM, centred=False, means=means, **prefixes
    )
    (repository / "space.json").write_bytes(msgspec.json.encode(space))
    return space


def export_with(repository: Path, **prefixes: str) -> None:
    """Note prefixes in the text encoder's manifest, as its export does."""
    path = repository / "text_encoder" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | prefixes))


async def test_vectors_come_back_in_the_order_of_their_texts(repository: Path) -> None:
    model = CountingModel()
    texts = ["a " * n + "b" for n in (1, 30, 2, 14, 1, 7, 20, 3, 1, 1, 1, 1)]
    vectors = await Encoder(model, repository).embed_texts(texts, role="passage", priority=2, timeout_s=5)
    assert vectors[:, 0].tolist() == [2 * text.count("a") + 3 for text in texts]


async def test_no_text_is_padded_to_the_length_of_a_much_longer_one(repository: Path) -> None:
    model = CountingModel()
    await Encoder(model, repository).embed_texts(["a"] * 9 + ["a " * 30], role="passage", priority=2, timeout_s=5)
    assert sorted(shape for _, shape in model.batches) == [(1, 8), (1, 32), (8, 8)]


async def test_a_text_longer_than_the_model_reads_is_refused_with_both_numbers(repository: Path) -> None:
    with pytest.raises(PayloadTooLarge, match=r"33 tokens.* at most 32"):
        await Encoder(CountingModel(), repository).embed_texts(
            ["a " * 33], role="passage", priority=2, timeout_s=5
        )


async def test_pictures_are_split_into_batches_that_the_server_takes(repository: Path) -> None:
    model = CountingModel()
    pictures = [np.full((8, 8, 3), i, dtype=np.uint8) for i in range(11)]
    vectors = await Encoder(model, repository).embed_pictures(pictures, priority=2, timeout_s=5)
    assert vectors[:, 0].tolist() == list(range(11))
    assert sorted(shape[0] for _, shape in model.batches) == [3, 8]


async def test_a_failing_batch_gives_its_own_error_and_not_a_group(repository: Path) -> None:
    with pytest.raises(Overloaded):
        await Encoder(CountingModel(fail_after=1), repository).embed_texts(
            ["a"] * 30, role="passage", priority=2, timeout_s=5
        )


async def test_nothing_to_embed_is_an_empty_array(repository: Path) -> None:
    vectors = await Encoder(CountingModel(), repository).embed_texts([], role="passage", priority=2, timeout_s=5)
    assert vectors.shape == (0, DIM)


async def test_a_question_is_read_by_clip_as_far_as_clip_reads(repository: Path) -> None:
    path = repository / "clip_text" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": "clips own", "max_length": 8}))
    encoder = Encoder(CountingModel(), repository)
    long = await encoder.embed_query_words("a " * 20 + "b", timeout_s=5)
    # Seven from the beginning and the last token, which ends a text.
    assert long[0] == 7 * 2 + 3
    short = await encoder.embed_query_words("a " * 7 + "b", timeout_s=5)
    assert short[0] == long[0]


async def test_a_question_is_never_cut_for_a_tower_that_serves_the_text_half_too(repository: Path) -> None:
    with pytest.raises(PayloadTooLarge, match=r"33 tokens.* at most 32"):
        await Encoder(CountingModel(), repository).embed_query_words("a " * 33, timeout_s=5)


def test_equal_weights_mean_one_shared_text_tower(repository: Path) -> None:
    assert Encoder(CountingModel(), repository).shares_text_tower


def test_a_repository_without_exports_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="trireme setup"):
        Encoder(CountingModel(), tmp_path)


@pytest.mark.parametrize("name", ["text_encoder", "clip_text"])
async def test_token_ids_are_embedded_as_the_texts_that_they_came_from(repository: Path, name: str) -> None:
    model = CountingModel()
    encoder = Encoder(model, repository)
    texts = ["a " * n + "b" for n in (1, 30, 2, 14)]
    tokens = encoder.tokenise(name, texts, "passage")
    vectors = await encoder.embed_tokens(name, tokens, priority=2, timeout_s=5)
    assert vectors[:, 0].tolist() == [2 * text.count("a") + 3 for text in texts]
    assert {asked for asked, _ in model.batches} == {name}


@pytest.mark.parametrize("sequence", [[], [4], [-1], [2, 2**40]])
async def test_token_ids_of_no_token_are_refused(repository: Path, sequence: list[int]) -> None:
    model = CountingModel()
    with pytest.raises(InvalidInput, match="from 0 to 3"):
        await Encoder(model, repository).embed_tokens("text_encoder", [[2], sequence], priority=2, timeout_s=5)
    assert model.batches == []


async def test_more_token_ids_than_the_model_reads_are_refused(repository: Path) -> None:
    with pytest.raises(PayloadTooLarge, match="at most 32"):
        await Encoder(CountingModel(), repository).embed_tokens("clip_text", [[2] * 33], priority=2, timeout_s=5)


async def test_questions_and_passages_are_read_with_their_own_words_before_them(repository: Path) -> None:
    prefixes = {"query_prefix": "a ", "passage_prefix": "b a "}
    export_with(repository, **prefixes)
    describe(repository, **prefixes)
    encoder = Encoder(CountingModel(), repository)
    question, passage = [
        (await encoder.embed_texts(["b"], role=role, priority=1, timeout_s=5))[0, 0]
        for role in ("query", "passage")
    ]
    assert (question, passage) == (2 + 3, 3 + 2 + 3)
    assert (await encoder.embed_query_words("b", timeout_s=5))[0] == 3
    assert encoder.tokenise("text_encoder", ["b"], "query") == [[2, 3]]
    assert encoder.tokenise("clip_text", ["b"], "query") == [[3]]


async def test_the_longest_passage_is_counted_with_its_prefix(repository: Path) -> None:
    export_with(repository, passage_prefix="b a ")
    describe(repository, passage_prefix="b a ")
    encoder = Encoder(CountingModel(), repository)
    longest = "a " * 30
    assert encoder.token_count(longest) == encoder.max_tokens == 32
    await encoder.embed_texts([longest], role="passage", priority=2, timeout_s=5)
    with pytest.raises(PayloadTooLarge):
        await encoder.embed_texts([longest + "a"], role="passage", priority=2, timeout_s=5)


def test_a_prefix_before_questions_ends_the_sharing_of_one_text_tower(repository: Path) -> None:
    export_with(repository, passage_prefix="b ")
    describe(repository, passage_prefix="b ")
    assert Encoder(CountingModel(), repository).shares_text_tower
    export_with(repository, query_prefix="a ")
    describe(repository, query_prefix="a ", passage_prefix="b ")
    assert not Encoder(CountingModel(), repository).shares_text_tower


def test_a_text_encoder_with_other_prefixes_than_the_space_is_refused(repository: Path) -> None:
    export_with(repository, passage_prefix="b ")
    with pytest.raises(ConfigurationError, match=r"prefixes '' and 'b '.* '' and ''"):
        Encoder(CountingModel(), repository)


def test_prefixes_are_part_of_a_spaces_identity_and_their_absence_is_not(repository: Path) -> None:
    plain, asked, told = (
        describe(repository, **each) for each in ({}, {"query_prefix": "a "}, {"passage_prefix": "a "})
    )
    assert len({plain.space_id, asked.space_id, told.space_id}) == 3
    # What a description without prefixes hashed to before there were any.
    fields = {name: getattr(plain, name) for name in ("centred", "encoders", "image_dim", "means", "text_dim")}
    canonical = msgspec.json.encode(fields, order="sorted")
    assert plain.space_id == hashlib.sha256(canonical).hexdigest()[:16]

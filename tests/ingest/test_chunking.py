"""Chunks: sizes, ranges, what is never cut, and that nothing is lost."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from contracts.documents import Box
from ingest.chunking import Chunk, chunk
from ingest.extraction.text_builder import TextBuilder
from ingest.extraction.types import ExtractedText, ExtractionLimits

KINDS = st.sampled_from(["heading", "paragraph", "list_item", "table_row", "caption", "ocr"])
WORDS = st.lists(
    st.sampled_from(["pump", "valve", "a", "Überdruck", "seal.", "Why?", "1,200", "日本"]), max_size=90
)
BLOCKS = st.lists(st.tuples(KINDS, WORDS, st.integers(1, 4)), max_size=30)
MIN, MAX = 30, 50


def count(text: str) -> int:
    return len(text.split())


def document(blocks: list[tuple[str, list[str], int]]) -> ExtractedText:
    builder = TextBuilder(5_000_000)
    for kind, words, page in blocks:
        builder.add(kind, " ".join(words), page=page, box=Box(0.1, 0.2, 0.9, 0.2 + 0.1 * page))
    return builder.build()


def words(n: int, stem: str = "word") -> list[str]:
    return [f"{stem}{index}" for index in range(n)]


def chunks_of(*blocks: tuple[str, list[str], int]) -> list[Chunk]:
    return chunk(document(list(blocks)), count, min_tokens=MIN, max_tokens=MAX)


@settings(max_examples=200, deadline=None)
@given(BLOCKS)
def test_chunks_hold_all_text_in_order_and_are_what_their_ranges_say(blocks: list[tuple[str, list[str], int]]):
    text = document(blocks)

    position = 0
    for ordinal, found in enumerate(chunk(text, count, min_tokens=MIN, max_tokens=MAX)):
        assert found.ordinal == ordinal
        assert text.text[position : found.char_start].strip() == ""
        assert found.text == text.text[found.char_start : found.char_end]
        assert found.text == found.text.strip() != ""
        position = found.char_end
    assert text.text[position:].strip() == ""


@settings(max_examples=200, deadline=None)
@given(BLOCKS)
def test_no_chunk_is_too_long(blocks: list[tuple[str, list[str], int]]):
    assert all(
        count(found.text) <= MAX for found in chunk(document(blocks), count, min_tokens=MIN, max_tokens=MAX)
    )


@settings(max_examples=200, deadline=None)
@given(BLOCKS)
def test_only_the_last_chunk_is_short_unless_a_row_or_a_heading_would_not_fit(
    blocks: list[tuple[str, list[str], int]],
):
    """A chunk that is short for another reason would have had room for what follows it."""
    text = document(blocks)
    found = chunk(text, count, min_tokens=MIN, max_tokens=MAX)

    for short, following in pairwise(found):
        if count(short.text) < MIN:
            first = next(block for block in text.blocks if block.char_end > following.char_start)
            assert first.kind in ("table_row", "heading")
            assert count(short.text) + count(following.text) > MAX


@settings(max_examples=100, deadline=None)
@given(BLOCKS)
def test_table_rows_that_fit_into_a_chunk_are_never_cut(blocks: list[tuple[str, list[str], int]]):
    text = document(blocks)
    found = chunk(text, count, min_tokens=MIN, max_tokens=MAX)

    for block in text.blocks:
        if block.kind == "table_row" and count(block.text) <= MAX:
            assert any(c.char_start <= block.char_start and block.char_end <= c.char_end for c in found)


@given(blocks=BLOCKS)
def test_heading_stands_in_one_chunk_with_the_beginning_of_what_follows(
    blocks: list[tuple[str, list[str], int]],
):
    text = document(blocks)
    found = chunk(text, count, min_tokens=MIN, max_tokens=MAX)

    for before, heading, after in zip((None, *text.blocks), text.blocks, text.blocks[1:], strict=False):
        alone = before is None or before.kind != "heading"
        if heading.kind != "heading" or not alone or after.kind in ("heading", "table_row"):
            continue
        if count(heading.text) <= (MAX - MIN) // 4:
            [holder] = [c for c in found if c.char_start <= heading.char_start < c.char_end]
            assert holder.char_end > after.char_start


def test_document_without_text_has_no_chunks():
    assert chunk(ExtractedText(text="", blocks=()), count) == []


def test_short_document_is_one_chunk():
    (found,) = chunks_of(("paragraph", words(5), 1))

    assert found.text == "word0 word1 word2 word3 word4"


def test_chunk_ends_with_the_block_in_which_it_is_long_enough():
    found = chunks_of(*[("paragraph", words(12, stem), 1) for stem in "abcdef"])

    assert [count(c.text) for c in found] == [36, 36]


def test_heading_goes_with_the_text_that_follows():
    found = chunks_of(("paragraph", words(32), 1), ("heading", ["Care"], 1), ("paragraph", words(32), 1))

    assert found[1].text.startswith("Care\n\nword0")
    assert (found[0].heading, found[1].heading) == (None, "Care")


def test_of_a_title_and_a_section_the_section_is_the_heading():
    found = chunks_of(("heading", ["Manual"], 1), ("heading", ["Care"], 1), ("paragraph", words(40), 1))

    assert [c.heading for c in found] == ["Care"]


def test_chunk_in_the_middle_of_a_section_knows_its_heading():
    found = chunks_of(("heading", ["Care"], 1), *[("paragraph", words(32), 1)] * 3)

    assert [c.heading for c in found] == ["Care"] * 3


def test_long_paragraph_is_cut_between_sentences():
    sentence = "The pump lifts forty litres a minute today."
    found = chunks_of(("paragraph", " ".join([sentence] * 20).split(), 1))

    assert len(found) > 2
    assert all(c.text.endswith("today.") for c in found)


def test_words_without_any_space_are_cut_as_well():
    builder = TextBuilder(5_000_000)
    builder.add("paragraph", "字" * 1000)
    found = chunk(builder.build(), len, min_tokens=MIN, max_tokens=MAX)

    assert "".join(c.text for c in found) == "字" * 1000
    assert max(len(c.text) for c in found) <= MAX


def test_word_that_the_tokenizer_does_not_know_is_cut_by_its_length():
    [*_, last] = found = chunk(document([("paragraph", ["x" * 100_000], 1)]), lambda text: len(text.split()))

    assert all(300 * 16 <= len(c.text) <= 500 * 16 for c in found[:-1])
    assert last.char_end == 100_000


def test_block_of_a_megabyte_is_counted_a_few_times_and_not_once_a_chunk():
    counted = 0

    def counting(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return len(text.split())

    text = document([("paragraph", words(200_000), 1)])
    found = chunk(text, counting)

    assert "".join("".join(c.text.split()) for c in found) == "".join(text.text.split())
    assert all(300 <= len(c.text.split()) <= 500 for c in found[:-1])
    assert counted < 40 * len(text.text)


def test_page_and_box_are_those_of_the_page_that_most_of_the_chunk_stands_on():
    (found,) = chunks_of(("paragraph", words(5), 1), ("paragraph", words(20), 2), ("list_item", words(10), 2))

    assert found.page == 2
    assert found.box == Box(0.1, 0.2, 0.9, 0.4)


def test_box_goes_around_all_blocks_of_the_chunk():
    builder = TextBuilder(5_000_000)
    builder.add("paragraph", "left", page=1, box=Box(0.1, 0.1, 0.4, 0.2))
    builder.add("paragraph", "right", page=1, box=Box(0.6, 0.3, 0.9, 0.4))

    assert chunk(builder.build(), count)[0].box == Box(0.1, 0.1, 0.9, 0.4)


def test_short_rest_goes_to_the_chunk_before_it():
    found = chunks_of(("paragraph", words(35), 1), ("paragraph", words(5), 1))

    assert [count(c.text) for c in found] == [40]


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (20, 10)])
def test_senseless_limits_are_refused(low: int, high: int):
    with pytest.raises(ValueError, match="min_tokens"):
        chunk(document([]), count, min_tokens=low, max_tokens=high)


def test_default_range_is_300_to_500_tokens_of_a_real_tokenizer():
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    text = document([("paragraph", [*words(14), "end."], 1)] * 300)

    found = chunk(text, lambda part: len(tokenizer.encode(part).ids))
    sizes = [len(tokenizer.encode(c.text).ids) for c in found]

    assert len(found) > 10
    assert all(300 <= size <= 500 for size in sizes[:-1])


def test_samples_are_chunked_without_loss():
    """Real prose: the project's own samples in Markdown."""
    from contracts.media import MARKDOWN
    from ingest.extraction.text_file import read_text

    root = Path(__file__).resolve().parents[2] / "samples"
    for path in sorted(root.glob("*.md")):
        text = read_text(path.read_bytes(), MARKDOWN, ExtractionLimits()).text
        assert text is not None
        found = chunk(text, count, min_tokens=60, max_tokens=100)
        assert "".join("".join(c.text.split()) for c in found) == "".join(text.text.split())
        assert all(60 <= count(c.text) <= 100 for c in found[:-1])

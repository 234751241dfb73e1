"""Files changed at random, from a seed: every reader answers each with a text, pictures, or a known cause.

`TRIREME_FUZZ=20000` reads so many, as `make soak` does.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import pytest

from benchmarks.extraction.languages import PASSAGES
from tests.ingest.corpus.case import READ, Case
from tests.ingest.corpus.mutations import mutated
from tests.ingest.corpus.pdf_sound import sound_pdf, two_columns, vector_figure
from tests.ingest.corpus.picture_cases import EXTENSIONS, photo
from tests.ingest.corpus.reading import CorpusReader
from tests.ingest.corpus.text_cases import markdown, page
from tests.ingest.corpus.word_sound import letter
from tests.ingest.extraction.making import pdf

FILES = int(os.environ.get("TRIREME_FUZZ", "160"))
SEED = int(os.environ.get("TRIREME_FUZZ_SEED", "1"))
CAUSES = frozenset(
    {
        "empty", "unsupported", "wrong_extension", "encrypted", "corrupt", "too_many_pixels", "too_many_pages",
        "too_much_text", "too_deep", "compression_bomb", "too_much_memory", "timeout", "crashed",
    }
)  # fmt: skip
# What the reading process says when an error comes out of a reader that the reader does not know.
UNFORESEEN = "in a way that its reader does not understand"
MAKERS: Mapping[str, Callable[[], bytes]] = {
    "sound.pdf": sound_pdf,
    "columns.pdf": lambda: pdf(two_columns),
    "figure.pdf": lambda: pdf(vector_figure, pageCompression=0),
    "letter.docx": letter,
    "page.html": page,
    "log.md": markdown,
    "words.txt": lambda: PASSAGES["russian"][0].encode("cp1251"),
    **{f"photo.{extension}": lambda kind=kind: photo(kind) for kind, extension in EXTENSIONS.items()},
}
# Pictures are read by Tesseract, too, which takes as long as ten of the others.
OFTEN = [name for name in MAKERS for _ in range(1 if name.startswith("photo") else 4)]


@pytest.fixture(scope="module")
def reader() -> Iterator[CorpusReader]:
    reader = CorpusReader()
    yield reader
    reader.close()


def changed_files() -> Iterator[Case]:
    """Files with the names of their kinds; the same ones for the same seed."""
    sound = {name: make() for name, make in MAKERS.items()}
    for index in range(FILES):
        rng = random.Random(f"{SEED}-{index}")
        name = rng.choice(OFTEN)
        data = mutated(rng, sound[name], list(sound.values()))
        yield Case(f"{index}-{name}", lambda data=data: data, frozenset({READ, *CAUSES}))


def test_every_changed_file_has_a_known_end(reader: CorpusReader):
    ends: Counter[str] = Counter()
    wrong: list[str] = []
    slowest_s = 0.0
    for case in changed_files():
        ending = reader.read(case)
        ends.update(ending.ends)
        slowest_s = max(slowest_s, ending.time_s)
        if not ending.ends <= case.ends or any(UNFORESEEN in reason for reason in ending.reasons):
            wrong.append(f"{case.name}: {sorted(ending.ends)}")
    print(f"\n{FILES} files from seed {SEED}: {dict(ends.most_common())}")  # noqa: T201
    print(f"slowest {slowest_s:.1f} s, memory of a reader {reader.peak_bytes / 2**20:.0f} MiB")  # noqa: T201

    assert wrong == []
    assert ends[READ] > 0
    assert len(ends) > 1

"""Hundreds of sound, damaged and hostile files: each ends as its case says, and their reader lives on.

`TRIREME_CORPUS=all` reads all of them, as `make soak` does; else those that are quick.
"""

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.ingest.corpus.case import READ, Case
from tests.ingest.corpus.every_case import every_case, quick_cases
from tests.ingest.corpus.reading import CorpusReader
from tests.running_stack import until

CASES = every_case() if os.environ.get("TRIREME_CORPUS") == "all" else quick_cases()
MEMORY_LIMIT_BYTES = 1024**3
GONE_WITHIN_S = 10.0
# What a sentence for people does not hold: names of libraries, of Python and of files.
FOREIGN_WORDS = ("pdfium", "pillow", "lxml", "zlib", "traceback", "exception", "error(", "none", "/tmp", ".py")


@pytest.fixture(scope="module")
def reader() -> Iterator[CorpusReader]:
    reader = CorpusReader()
    yield reader
    reader.close()


@pytest.fixture(scope="module")
def ends() -> Counter[str]:
    """How often each end came."""
    return Counter()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_file_ends_as_its_case_says(case: Case, reader: CorpusReader, ends: Counter[str]):
    ending = reader.read(case)
    ends.update(ending.ends)

    assert ending.ends <= case.ends, ending
    if ending.text is not None:
        assert case.holds in ending.text
        assert case.lacks is None or case.lacks not in ending.text
    if ending.n_pictures is not None and case.pictures is not None:
        assert ending.n_pictures == case.pictures
    for reason in ending.reasons:
        assert reason[0].isupper()
        assert reason[-1] in ".?"
        assert not any(word in reason.lower() for word in FOREIGN_WORDS)


def test_memory_stayed_small_and_no_process_is_left_behind(reader: CorpusReader, ends: Counter[str]):
    print(f"\n{sum(ends.values())} files: {dict(ends.most_common())}")  # noqa: T201
    print(f"greatest memory of a reader: {reader.peak_bytes / 2**20:.0f} MiB")  # noqa: T201
    reader.close()

    assert ends[READ] > 0
    assert reader.peak_bytes < MEMORY_LIMIT_BYTES
    assert len(reader.sessions) >= 1
    until(lambda: reader.left_behind() == [], "no process of a reader is left", GONE_WITHIN_S)


def test_corpus_has_files_enough_and_no_name_twice():
    names = [case.name for case in every_case()]

    assert len(names) >= 300
    assert len(set(names)) == len(names)

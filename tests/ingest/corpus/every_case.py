"""The whole corpus, and the part of it that is quick to read."""

from tests.ingest.corpus.case import Case
from tests.ingest.corpus.pdf_bombs import pdf_bombs
from tests.ingest.corpus.pdf_fragments import pdf_fragments
from tests.ingest.corpus.pdf_sound import pdf_sound
from tests.ingest.corpus.pdf_trees import pdf_trees
from tests.ingest.corpus.picture_cases import picture_cases
from tests.ingest.corpus.quick import QUICK
from tests.ingest.corpus.text_cases import text_cases
from tests.ingest.corpus.word_hostile import word_hostile
from tests.ingest.corpus.word_sound import word_sound


def every_case() -> list[Case]:
    """All cases."""
    parts = (
        pdf_sound,
        pdf_trees,
        pdf_bombs,
        pdf_fragments,
        picture_cases,
        text_cases,
        word_sound,
        word_hostile,
    )
    return [case for part in parts for case in part()]


def quick_cases() -> list[Case]:
    """Those of `QUICK`, in the order of the corpus."""
    return [case for case in every_case() if case.name in QUICK]

"""Pages of sound, damaged and hostile files: each is a picture, or a failure with a sentence, within its time.

`TRIREME_CORPUS=all` draws all of them; else those that are quick.
"""

import asyncio
import os

import pytest

from contracts.errors import DocumentFailed
from contracts.media import EXTENSIONS, extension_of, judge
from gateway.clients.page_renderer import PageRenderer
from gateway.core.pages import DRAWABLE, PageFailed, PageImage, PageWanted
from tests.ingest.corpus.case import READ, Case
from tests.ingest.corpus.every_case import every_case, quick_cases
from tests.ingest.corpus.test_corpus import FOREIGN_WORDS

ALL = os.environ.get("TRIREME_CORPUS") == "all"
CASES = [
    case
    for case in (every_case() if ALL else quick_cases())
    if EXTENSIONS.get(extension_of(case.name)) in DRAWABLE
]
TIMEOUT_S = 30.0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_file_gives_a_picture_or_a_sentence(case: Case) -> None:
    data = case.make()
    kind = judge(data, case.name).content_type
    if kind not in DRAWABLE:
        return  # the flow refuses it before anything is drawn
    sound = case.ends == {READ}
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reply = await PageRenderer().draw(
                PageWanted(content_type=kind, page=1, width=1000, data=data, quote="a")
            )
    except DocumentFailed:
        assert not sound, "what is sound breaks nothing"
        return
    except TimeoutError:
        assert "timeout" in case.ends
        return
    if isinstance(reply, PageFailed):
        assert not sound, reply
        assert reply.reason.endswith(".")
        assert not any(word in reply.reason.lower() for word in FOREIGN_WORDS)
    else:
        assert isinstance(reply, PageImage)

"""The generated collection: a thousand documents, and queries whose right answers are known by construction.

Four kinds of query. `words`: about a notice, which has eleven siblings of the same trade and nineteen of the same
town. `pictures`: half of them words for what is seen, half another picture of it; every document that shows it is
right. `both`: a picture and a topic; one document has both, and others have either. `identifiers`: part numbers,
of which nine others differ in one digit.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass

from docx import Document
from docx.shared import Cm

from benchmarks.part_numbers import part_questions, parts
from benchmarks.quality.wording import (
    DAYS,
    NOTICE,
    NOTICE_QUESTIONS,
    PEOPLE,
    PICTURE_QUESTIONS,
    TOPICS,
    TOWNS,
    TRADES,
)
from client.evaluation.judged import JudgedQuery
from contracts.media import DOCX
from export.demo_clip.glyphs import Glyph, read_glyphs
from export.demo_clip.poses import place_glyphs

_SIDE = 320
_TOPICS_OF_A_SUBJECT = 4


@dataclass(frozen=True, slots=True)
class Size:
    """How many there are.

    Args:
        subjects: things that are shown: one picture alone and four documents with a picture of each.
        notices: of 240. families: of ten parts each.
        asked: queries of each kind.
    """

    subjects: int = 120
    notices: int = 240
    families: int = 20
    asked: int = 90


@dataclass(frozen=True, slots=True)
class MadeDocument:
    """One file."""

    name: str
    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents and the queries about them; pictures that are asked with are PNG files."""

    documents: list[MadeDocument]
    queries: list[JudgedQuery]


def collection(seed: int, size: Size = Size()) -> Collection:
    """The same for the same seed. Raises FileNotFoundError: the emoji font is not installed."""
    rng = random.Random(f"quality {seed}")
    subjects = _subjects(rng, size.subjects)
    shown, by_pictures = _pictures(rng, seed, subjects, size.asked)
    notices, by_words = _notices(rng, size.notices, size.asked)
    sheets = parts(seed, size.families)
    asked = part_questions(sheets, seed, 1)[: size.asked]
    by_number = [
        JudgedQuery(f"identifier-{n}", "identifiers", each.query, None, frozenset([each.expected]))
        for n, each in enumerate(asked)
    ]
    texts = [MadeDocument(sheet.name, sheet.text.encode(), "text/plain") for sheet in sheets]
    return Collection([*shown, *notices, *texts], [*by_words, *by_pictures, *by_number])


def _subjects(rng: random.Random, n: int) -> list[Glyph]:
    """Things of which no two share a word: a picture of one is no picture of another."""
    glyphs, taken, chosen = list(read_glyphs()), set[str](), list[Glyph]()
    rng.shuffle(glyphs)
    for glyph in glyphs:
        words = set(glyph.name.lower().replace("-", " ").split())
        if len(words) <= 2 and glyph.name.replace(" ", "").isalpha() and not words & taken and "face" not in words:
            taken |= words
            chosen.append(glyph)
        if len(chosen) == n:
            break
    return chosen


def _pictures(
    rng: random.Random, seed: int, subjects: Sequence[Glyph], n_asked: int
) -> tuple[list[MadeDocument], list[JudgedQuery]]:
    documents: list[MadeDocument] = []
    by_subject: list[tuple[Glyph, frozenset[str]]] = []
    pairs: list[tuple[Glyph, int, str]] = []
    for number, subject in enumerate(subjects):
        alone = MadeDocument(f"picture-{number:03d}.png", _drawn(f"{seed} alone {number}", subject), "image/png")
        names = [alone.name]
        documents.append(alone)
        for topic in rng.sample(range(len(TOPICS)), _TOPICS_OF_A_SUBJECT):
            name = f"record-{number:03d}-{topic:02d}.docx"
            text = TOPICS[topic].text.format(n=rng.randrange(100, 1000), m=rng.randrange(2, 60))
            picture = _drawn(f"{seed} {number} {topic}", subject)
            documents.append(MadeDocument(name, _docx(text, picture), DOCX))
            names.append(name)
            pairs.append((subject, topic, name))
        by_subject.append((subject, frozenset(names)))
    queries = []
    for n, (subject, relevant) in enumerate(rng.sample(by_subject, min(n_asked, len(by_subject)))):
        if n % 2:
            picture = _drawn(f"{seed} asked {n}", subject)
            queries.append(JudgedQuery(f"picture-{n}", "pictures", None, picture, relevant))
        else:
            words = PICTURE_QUESTIONS[n // 2 % len(PICTURE_QUESTIONS)].format(name=_article(subject.name))
            queries.append(JudgedQuery(f"picture-{n}", "pictures", words, None, relevant))
    for n, (subject, topic, name) in enumerate(rng.sample(pairs, min(n_asked, len(pairs)))):
        picture = _drawn(f"{seed} asked with words {n}", subject)
        queries.append(JudgedQuery(f"both-{n}", "both", TOPICS[topic].question, picture, frozenset([name])))
    return documents, queries


def _notices(rng: random.Random, n: int, n_asked: int) -> tuple[list[MadeDocument], list[JudgedQuery]]:
    documents, queries = [], []
    places = [(trade, town) for trade in range(len(TRADES)) for town in TOWNS]
    chosen = rng.sample(places, min(n, len(places)))
    for number, (trade, town) in enumerate(chosen):
        name = f"notice-{number:03d}.md"
        text = NOTICE.format(
            trade=TRADES[trade][0],
            town=town,
            day=rng.choice(DAYS),
            person=rng.choice(PEOPLE),
            n=rng.randrange(1, 100),
        )
        documents.append(MadeDocument(name, text.encode(), "text/markdown"))
        if number < n_asked:
            question = NOTICE_QUESTIONS[number % len(NOTICE_QUESTIONS)].format(town=town, other=TRADES[trade][1])
            queries.append(JudgedQuery(f"words-{number}", "words", question, None, frozenset([name])))
    return documents, queries


def _drawn(seed: str, subject: Glyph) -> bytes:
    stream = io.BytesIO()
    place_glyphs(random.Random(seed), _SIDE, [subject]).save(stream, "PNG")
    return stream.getvalue()


def _docx(text: str, picture: bytes) -> bytes:
    document, stream = Document(), io.BytesIO()
    document.add_paragraph(text)
    document.add_picture(io.BytesIO(picture), width=Cm(6))
    document.save(stream)
    return stream.getvalue()


def _article(name: str) -> str:
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"

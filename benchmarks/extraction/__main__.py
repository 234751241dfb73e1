"""`python -m benchmarks.extraction [--texts 8]`: what is read, against what stands in the file; two tables.

Texts are those of the samples (`export/samples/sources`), written anew in every kind and scanned anew at every
resolution, all from seeds. They are read as the workers read them.
"""

import argparse
import asyncio
import sys
import time
from collections import defaultdict
from dataclasses import dataclass, field

from rich.console import Console

from benchmarks.extraction.languages import encoded_passages
from benchmarks.extraction.rates import Errors, character_errors, word_errors
from benchmarks.extraction.scans import CONDITIONS, scanned
from benchmarks.extraction.writing import Written, every_kind, known_text
from benchmarks.index.markdown import table
from benchmarks.machine import describe_machine
from contracts.media import PDF, TEXT
from export.samples.source import Source, read_sources
from ingest.extraction import Extractor

_NOTHING = Errors(0, 0)


@dataclass(slots=True)
class Tally:
    """Sums over the files of one row."""

    files: int = 0
    pages: int = 0
    characters: Errors = _NOTHING
    words: Errors = _NOTHING
    worst: float = 0.0
    pictures: Errors = _NOTHING
    captions: Errors = _NOTHING
    read_s: float = 0.0

    def add(self, read: str, known: str) -> None:
        """Count one file."""
        errors = character_errors(read, known)
        self.files += 1
        self.characters += errors
        self.words += word_errors(read, known)
        self.worst = max(self.worst, errors.rate)


@dataclass(slots=True)
class Tables:
    """Both tables, row by row."""

    kinds: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    scans: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))


async def measure(sources: list[Source]) -> Tables:
    """Write, scan and read all texts."""
    tables = Tables()
    async with Extractor() as extractor:
        for source in sources:
            for written in every_kind(source):
                await _count_kind(extractor, written, tables.kinds[written.kind])
            for condition in CONDITIONS:
                await _count_scan(extractor, source, scanned(source, condition), tables.scans[condition.name])
            print(f"{source.file} is done", file=sys.stderr)
        for _, known, data in encoded_passages():
            text = await extractor.extract_text(data, TEXT)
            tables.kinds["TXT, 10 languages in old and new encodings"].add(text.text, known)
    return tables


async def _count_kind(extractor: Extractor, written: Written, tally: Tally) -> None:
    begun_s = time.perf_counter()
    text = await extractor.extract_text(written.data, written.content_type)
    tally.read_s += time.perf_counter() - begun_s
    tally.add(text.text, written.known)
    if written.captions is not None:
        pictures = await extractor.extract_pictures(written.data, written.content_type)
        found = [picture.caption for picture in pictures]
        n = len(written.captions)
        tally.pictures += Errors(abs(len(found) - n), n)
        tally.captions += Errors(
            sum(caption != (found[i] if i < len(found) else None) for i, caption in enumerate(written.captions)), n
        )


async def _count_scan(extractor: Extractor, source: Source, data: bytes, tally: Tally) -> None:
    begun_s = time.perf_counter()
    text = await extractor.extract_text(data, PDF)
    tally.read_s += time.perf_counter() - begun_s
    tally.pages += max((block.page or 1 for block in text.blocks), default=1)
    tally.add(text.text, known_text(source, figures=False))


def kinds_table(kinds: dict[str, Tally]) -> str:
    """Known texts by kind of file."""
    head = [
        "kind of file",
        "files",
        "characters",
        "character error rate",
        "worst file",
        "pictures",
        "captions right",
    ]
    rows = []
    for name, tally in kinds.items():
        found = f"{tally.pictures.of - tally.pictures.edits} of {tally.pictures.of}" if tally.pictures.of else ""
        right = f"{tally.captions.of - tally.captions.edits} of {tally.captions.of}" if tally.captions.of else ""
        rate, worst = f"{tally.characters.rate:.3%}", f"{tally.worst:.3%}"
        rows.append([name, str(tally.files), f"{tally.characters.of:,}", rate, worst, found, right])
    return table(head, rows)


def scans_table(scans: dict[str, Tally]) -> str:
    """Scans by resolution and condition."""
    head = [
        "scans",
        "pages",
        "words",
        "word error rate",
        "character error rate",
        "worst text (characters)",
        "s/page",
    ]
    return table(
        head,
        [
            [
                name,
                str(tally.pages),
                f"{tally.words.of:,}",
                f"{tally.words.rate:.2%}",
                f"{tally.characters.rate:.2%}",
                f"{tally.worst:.2%}",
                f"{tally.read_s / tally.pages:.1f}",
            ]
            for name, tally in scans.items()
        ],
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, help="only the first so many texts")
    options = parser.parse_args()
    machine = describe_machine()
    tables = asyncio.run(measure(read_sources()[: options.texts]))
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(", ".join(f"{key} {value}" for key, value in machine.items()))
    console.print(kinds_table(tables.kinds), "\n")
    console.print(scans_table(tables.scans))


if __name__ == "__main__":
    main()

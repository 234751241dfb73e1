"""Questions that no cache has seen: seeded spans of words out of real prose, each used once."""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

_WORD = re.compile(r"[A-Za-z][A-Za-z'-]+")


def read_prose(folder: Path) -> list[list[str]]:
    """Words of every text and Markdown file under a folder, one list a file.

    Raises:
        FileNotFoundError: there are none.
    """
    paths = sorted(
        path for path in folder.rglob("*") if path.suffix in {".txt", ".md"} and path.name != "README.md"
    )
    texts = [_WORD.findall(path.read_text(errors="replace")) for path in paths]
    texts = [words for words in texts if len(words) > 40]
    if not texts:
        raise FileNotFoundError(f"no prose under {folder}")
    return texts


def questions(texts: Sequence[Sequence[str]], seed: int) -> Iterator[str]:
    """Endless distinct questions of 4 to 12 words, the same for the same seed."""
    rng = random.Random(seed)
    seen: set[str] = set()
    while True:
        words = rng.choice(texts)
        length = rng.randint(4, 12)
        start = rng.randrange(len(words) - length)
        question = " ".join(words[start : start + length])
        if question not in seen:
            seen.add(question)
            yield question

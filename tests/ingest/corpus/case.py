"""One file of the corpus: how it is made, and how it may end."""

import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

READ = "read"
# Damage at random places may leave a file readable.
ANY_DAMAGE = frozenset({READ, "corrupt"})


@dataclass(frozen=True, slots=True)
class Case:
    """One file.

    Args:
        name: the file's name, with its extension; unique.
        make: gives its bytes, the same ones each time.
        ends: how it may end: READ, or causes of failures.
        holds: words that its text must hold where it is read.
        pictures: how many pictures must come out where it is read; None for any number.
        lacks: words that its text must not hold: what nobody sees, and what lies outside of the file.
    """

    name: str
    make: Callable[[], bytes]
    ends: frozenset[str]
    holds: str = ""
    pictures: int | None = None
    lacks: str | None = None


def well(
    name: str,
    make: Callable[[], bytes],
    holds: str = "",
    pictures: int | None = None,
    *,
    lacks: str | None = None,
) -> Case:
    """A file that must be read."""
    return Case(name, make, frozenset({READ}), holds, pictures, lacks)


def bad(name: str, make: Callable[[], bytes], *causes: str) -> Case:
    """A file that must fail for one of these causes."""
    return Case(name, make, frozenset(causes))


def either(name: str, make: Callable[[], bytes], *causes: str) -> Case:
    """A file that may be read, or fail for one of these causes."""
    return Case(name, make, frozenset({READ, *causes}))


def seed(name: str) -> int:
    """A seed that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def cut(
    stem: str, extension: str, make: Callable[[], bytes], shares: Sequence[float], *ends: str
) -> Iterator[Case]:
    """The file cut off behind these shares of its bytes."""
    for share in shares:
        name = f"{stem}-cut-at-{share:g}.{extension}"
        yield Case(name, lambda share=share: (data := make())[: int(len(data) * share)], frozenset(ends))


def flipped(
    stem: str, extension: str, make: Callable[[], bytes], count: int, *ends: str, flips: int = 20, start: int = 0
) -> Iterator[Case]:
    """The file with bits flipped at random places behind `start`, so many times differently."""
    for index in range(count):
        name = f"{stem}-flipped-{flips}-{index}.{extension}"
        yield Case(name, lambda name=name: flip(make(), seed(name), flips, start), frozenset(ends))


def flip(data: bytes, number: int, flips: int, start: int = 0) -> bytes:
    """Some bits of the bytes behind `start` turned over."""
    rng = random.Random(number)
    changed = bytearray(data)
    for _ in range(flips):
        changed[rng.randrange(start, len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)

"""Changes to files at random: what disks, networks and people with bad intent do to them."""

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Sequence

# Values at which arithmetic of fixed width turns over, little and big endian.
_EDGES = [
    value.to_bytes(size, order)
    for size in (1, 2, 4, 8)
    for value in (0, 1, (1 << (8 * size - 1)) - 1, 1 << (8 * size - 1), (1 << (8 * size)) - 1)
    for order in ("little", "big")
]
_WORDS = [
    b"<</Kids[3 0 R]>>", b" 0 R", b"stream\n", b"endstream", b"/FlateDecode", b"[[[[[[[[", b"((((((((", b"-1",
    b"1e99", b"99999999999",
    b"<w:p>", b"</w:tbl>", b"<w:tc>", b"&#0;", b"&#xFFFF;", b"]]>", b"<!--", b"<table>", b"</div>",
    b"data:image/png;base64,",
    b"\xff\xd8\xff", b"II*\x00", b"PK\x05\x06", b"\x00" * 16, b"\xff" * 16, b"> > > ", b"| - |",
]  # fmt: skip
_MOST_CHANGES = 8
_LONGEST_RUN = 400


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """The file with one to eight changes; an archive's parts are changed inside it as often as its own bytes.

    Args:
        others: files to take pieces from.
    """
    if data.startswith(b"PK") and rng.random() < 0.6:
        return _mutated_part(rng, data, others)
    if b"FlateDecode" in data and rng.random() < 0.3:
        data = _unpacked(data)
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        if data:
            data = rng.choice(_CHANGES)(rng, data, others)
    return data


def _mutated_part(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = rng.choice([name for name in old.namelist() if name.startswith("word/")])
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, mutated(rng, part, others) if name == chosen else part)
    return out.getvalue()


def _unpacked(data: bytes) -> bytes:
    """A PDF with its first packed stream unpacked where it stands, so that changes reach its instructions."""
    start = data.find(b"stream\n") + len(b"stream\n")
    end = data.find(b"endstream", start)
    try:
        return data[:start] + zlib.decompress(data[start:end]) + data[end:]
    except zlib.error:
        return data


def _flip(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at, value = rng.randrange(len(data)), rng.choice(_EDGES)
    return data[:at] + value + data[at + len(value) :]


def _insert(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.choice(_WORDS) * rng.choice((1, 1, 1, 50)) + data[at:]


def _remove(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, _LONGEST_RUN) :]


def _repeat(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    run = data[at : at + rng.randint(1, _LONGEST_RUN)]
    return data[:at] + run * rng.choice((2, 2, 30)) + data[at:]


def _graft(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    other = rng.choice(others)
    at, start = rng.randrange(len(data)), rng.randrange(len(other))
    piece = other[start : start + rng.randint(1, _LONGEST_RUN)]
    return data[:at] + piece + data[at + len(piece) :]


def _cut(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    return data[: rng.randint(max(1, len(data) * 2 // 3), len(data))]


def _number(rng: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Another digit in place of one: sizes, counts and places written in letters."""
    digits = [at for at, byte in enumerate(data[:20_000]) if 48 <= byte <= 57]
    if not digits:
        return _flip(rng, data, others)
    at = rng.choice(digits)
    return data[:at] + rng.choice((b"0", b"9", b"-", b"99999", b"1.5")) + data[at + 1 :]


_CHANGES: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _overwrite,
    _insert,
    _remove,
    _repeat,
    _graft,
    _cut,
    _number,
)

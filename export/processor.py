"""What the processor at hand can do with 8-bit numbers."""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
_CPUINFO = Path("/proc/cpuinfo")


@cache
def sums_whole_bytes() -> bool:
    """Whether products of bytes are summed without saturating on the way.

    x86 processors before VNNI add two products in 16 bits (VPMADDUBSW): with weights of all 8 bits the sums
    overflow, and the smallest cosine of a text encoder fell from above 0.99 to 0.96. Weights of 7 bits cannot.
    """
    if platform.machine() not in {"x86_64", "AMD64"}:
        return True
    return not _FLAGS.isdisjoint(flags_of(_CPUINFO.read_text())) if _CPUINFO.is_file() else False


def flags_of(cpuinfo: str) -> frozenset[str]:
    """Features in the text of /proc/cpuinfo; of the first processor, all being alike."""
    line = next((each for each in cpuinfo.splitlines() if each.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())

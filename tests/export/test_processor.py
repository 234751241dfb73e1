"""What is read out of /proc/cpuinfo."""

import pytest

from export.processor import flags_of


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", True),
        ("flags\t\t: fpu avx2 avx_vnni", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("model name\t: avx_vnni is only in the name", False),
        ("", False),
    ],
)
def test_features_are_those_of_the_flags_line(line: str, has: bool) -> None:
    flags = flags_of(f"processor\t: 0\n{line}\nbugs\t\t: none\n")
    assert bool({"avx512_vnni", "avx_vnni"} & flags) is has

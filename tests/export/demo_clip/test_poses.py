"""Grounds behind the glyphs."""

import random

from export.demo_clip.poses import _ground


def test_every_kind_of_ground_depends_on_its_seed_alone() -> None:
    for seed in range(60):
        assert _ground(random.Random(seed), 64).tobytes() == _ground(random.Random(seed), 64).tobytes(), seed

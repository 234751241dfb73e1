"""Recall of the demo CLIP, and the arithmetic that measures it."""

import json

import numpy as np
import pytest

from export.demo_clip.config import CARD
from export.demo_clip.evaluate import evaluate, first_ranks, recall


def test_rank_counts_how_many_wrong_ones_score_higher_than_the_best_right_one() -> None:
    scores = np.array([[0.9, 0.5, 0.8], [0.1, 0.2, 0.3]], np.float32)
    right = np.array([[False, True, True], [True, False, False]])
    assert first_ranks(scores, right).tolist() == [1, 2]


def test_recall_is_the_share_of_ranks_within_k() -> None:
    ranks = np.array([0, 1, 5, 10])
    assert (recall(ranks, 1), recall(ranks, 10)) == (0.25, 0.75)


def test_heldout_pictures_are_found_by_their_names_as_the_card_says() -> None:
    figures = evaluate()
    claimed = json.loads(CARD.read_text())["held_out"]
    for way, groups in figures.items():
        for group, row in groups.items():
            for name, value in row.items():
                # Half a percent for another processor's rounding, which can swap two near-equal neighbours.
                assert value == pytest.approx(claimed[way][group][name], abs=0.005), (way, group, name)


def test_figures_and_scenes_are_recognised_and_most_glyphs_are() -> None:
    groups = evaluate()["as trained"]
    assert groups["figures"]["text_to_picture_recall_1"] >= 0.95
    assert groups["scenes"]["text_to_picture_recall_1"] >= 0.95
    assert groups["glyphs"]["text_to_picture_recall_1"] >= 0.8
    assert groups["glyphs"]["text_to_picture_recall_10"] >= 0.97

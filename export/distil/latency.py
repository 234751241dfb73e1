"""How long one picture takes, from its file's bytes to its vector, for several models in turn. No PyTorch."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from contracts.tensors import EMBEDDING
from encoding.pictures import ResizeRule, decode_picture, to_tensor
from export.distil.towers import open_session

WARM_UP = 5


def picture_latencies(
    models: Mapping[str, Path],
    files: Sequence[bytes],
    *,
    image_size: int,
    resize: ResizeRule,
    runs: int,
    threads: int = 1,
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of each run by model, [runs]: decode, resize, infer, in this process.

    The models take turns on the same picture, so that whatever else the machine does slows all of them alike.
    """
    sessions = {name: open_session(path, threads) for name, path in models.items()}
    taken: dict[str, list[float]] = {name: [] for name in models}
    for run in range(WARM_UP + runs):
        data = files[run % len(files)]
        for name, session in sessions.items():
            began = time.perf_counter()
            image = decode_picture(data, target_edge=image_size)
            session.run([EMBEDDING], {"image": to_tensor(image, image_size, resize)[None]})
            if run >= WARM_UP:
                taken[name].append((time.perf_counter() - began) * 1000)
    return {name: np.asarray(values) for name, values in taken.items()}

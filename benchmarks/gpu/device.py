"""The device under everything: its name, how fast it reads memory, how fast it multiplies. And timing on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

BF16 = torch.bfloat16


@dataclass(frozen=True, slots=True)
class Device:
    """What was found.

    Args:
        read_bytes_s: bytes a second that a copy of a large tensor reads and writes.
        bf16_flops: multiplications and additions a second in a large product of bf16 matrices.
    """

    name: str
    memory_gib: float
    read_bytes_s: float
    bf16_flops: float


def on_gpu() -> bool:
    """Whether there is a GPU that PyTorch sees; without one everything runs on the CPU, to be tried out."""
    return bool(torch.cuda.is_available())


def place() -> torch.device:
    """Where tensors go."""
    return torch.device("cuda" if on_gpu() else "cpu")


def wait() -> None:
    """Wait until the device has done what it was given."""
    if on_gpu():
        torch.cuda.synchronize()


def median_s(work: Callable[[], object], *, warm: int = 3, least: int = 10, least_s: float = 0.5) -> float:
    """Median seconds of one call, each waited for, of at least so many over at least so long."""
    for _ in range(warm):
        work()
    wait()
    taken: list[float] = []
    begun = time.perf_counter()
    while len(taken) < least or time.perf_counter() - begun < least_s:
        start = time.perf_counter()
        work()
        wait()
        taken.append(time.perf_counter() - start)
    return sorted(taken)[len(taken) // 2]


def per_call_s(work: Callable[[], object], *, warm: int = 3, calls: int = 30) -> float:
    """Seconds of one call of many that are given to the device without waiting in between."""
    for _ in range(warm):
        work()
    wait()
    start = time.perf_counter()
    for _ in range(calls):
        work()
    wait()
    return (time.perf_counter() - start) / calls


def captured(work: Callable[[], torch.Tensor]) -> tuple[Callable[[], object], bool]:
    """The work as a CUDA graph where that can be had, and whether it could.

    Launching the kernels of a small batch one by one takes longer than running them.
    """
    if not on_gpu():
        return work, False
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
    except RuntimeError:
        torch.cuda.synchronize()
        return work, False
    return graph.replay, True


def describe(*, elements: int = 2**30, side: int = 8192) -> Device:
    """Measure the device.

    Args:
        elements: bf16 numbers that are copied.
        side: rows and columns of the matrices.
    """
    copy_s = _copy_s(elements)
    left = torch.randn(side, side, device=place()).to(BF16)
    right = torch.randn(side, side, device=place()).to(BF16)
    product_s = per_call_s(lambda: left @ right, calls=10)
    name = torch.cuda.get_device_name() if on_gpu() else "CPU"
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30 if on_gpu() else 0.0
    return Device(name, round(memory, 1), 4 * elements / copy_s, 2 * side**3 / product_s)


def _copy_s(elements: int) -> float:
    source = torch.ones(elements, dtype=BF16, device=place())
    target = torch.empty_like(source)
    return median_s(lambda: target.copy_(source))

"""What a Prometheus has to scrape of a running stack, as a file for its file discovery."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stack.layout import GATEWAY, JOINT_UPDATER, TEXT_EMBEDDER, TRITON, VISION_EMBEDDER, WATCH_FOLDER
from stack.ports import LOOPBACK
from stack.state import StackState

TARGETS_FILE = "prometheus-targets.json"
_JOBS = {
    GATEWAY: "gateway",
    TRITON: "triton",
    TEXT_EMBEDDER: "ingest",
    VISION_EMBEDDER: "ingest",
    JOINT_UPDATER: "ingest",
    WATCH_FOLDER: "ingest",
}
_NOT_OURS = frozenset({"kafka", "redis", "mock-broker"})


class TargetGroup(msgspec.Struct, frozen=True):
    """Targets with the labels that all their series get."""

    targets: tuple[str, ...]
    labels: dict[str, str]


def scrape_targets(state: StackState) -> tuple[TargetGroup, ...]:
    """One group for each process that shows metrics. `job` is its kind, `instance` its name in the stack."""
    groups: list[TargetGroup] = []
    for view in state.processes:
        port = view.ports.get("metrics" if view.name == TRITON else "http")
        if port is not None and view.name not in _NOT_OURS:
            labels = {"job": _JOBS.get(view.name, "index"), "instance": view.name}
            groups.append(TargetGroup((f"{LOOPBACK}:{port}",), labels))
    return tuple(groups)


def write_targets(path: Path, state: StackState) -> None:
    """Replace the file in one step, if anything in it changes."""
    data = msgspec.json.format(msgspec.json.encode(scrape_targets(state)), indent=1)
    if path.exists() and path.read_bytes() == data:
        return
    staged = path.with_suffix(".json.new")
    staged.write_bytes(data)
    staged.replace(path)

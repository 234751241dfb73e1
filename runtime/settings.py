"""Settings of a process: one frozen object, read once in its entry point from `TRIREME_*` variables.

An unparsable value stops the process, and so does a `TRIREME_*` variable that it does not know: a typing
error in a deployment shall not pass for a default.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from contracts.errors import ConfigurationError

PREFIX = "TRIREME_"


class ProcessSettings(BaseModel):
    """What every process can be told. Subclass it and add the process's own fields.

    A field `kafka_bootstrap` is set by the variable TRIREME_KAFKA_BOOTSTRAP. Tuples are comma-separated.

    Args:
        process: the process's name in logs, metrics and client ids, such as "shard-0".
        health_port: loopback port of /healthz, /readyz and /metrics; 0 for none.
        object_store_url: "file:///directory" or "s3://bucket/prefix".
        triton_url: host:port of Triton's gRPC door.
        model_repository: directory with the manifests and the description of the joint space.
        text_api_url: what comes before `/embeddings` of the API that embeds texts, such as
            "https://api.openai.com/v1"; empty where Triton embeds them. The space names the model.
        text_api_key: sent to it as a bearer token; never logged.
        text_api_batch: texts in one request to it.
        text_api_in_flight: requests to it under way at once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    process: str
    log_level: str = "INFO"
    log_json: bool = True
    health_port: int = 0
    kafka_bootstrap: str = "127.0.0.1:9092"
    object_store_url: str = "file:///var/lib/trireme/objects"
    triton_url: str = "127.0.0.1:8001"
    redis_url: str = "redis://127.0.0.1:6379/0"
    model_repository: Path = Path("model_repository")
    text_api_url: str = ""
    text_api_key: SecretStr = SecretStr("")
    text_api_batch: int = Field(default=32, ge=1, le=2048)
    text_api_in_flight: int = Field(default=4, ge=1)


S = TypeVar("S", bound=ProcessSettings)


def load_settings(kind: type[S], environ: Mapping[str, str]) -> S:
    """Read a process's settings from its environment.

    Raises:
        ConfigurationError: an unknown `TRIREME_*` variable, or a value that does not parse; names them all.
    """
    values: dict[str, object] = {}
    for key, text in environ.items():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX).lower()
            values[name] = _split(text) if _is_tuple(kind, name) else text
    try:
        return kind.model_validate(values)
    except ValidationError as exc:
        lines = [
            f"{PREFIX}{'_'.join(str(part) for part in error['loc'][:1]).upper()}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError("The settings cannot be used. " + "; ".join(lines)) from exc


def _is_tuple(kind: type[ProcessSettings], name: str) -> bool:
    info = kind.model_fields.get(name)
    return info is not None and getattr(info.annotation, "__origin__", None) is tuple


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())

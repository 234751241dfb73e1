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
# What others have named already is not given another name; an empty value is none.
_STANDARD = {"OTEL_EXPORTER_OTLP_ENDPOINT": "otlp_endpoint"}


class ProcessSettings(BaseModel):
    """What every process can be told. Subclass it and add the process's own fields.

    A field `kafka_bootstrap` is set by the variable TRIREME_KAFKA_BOOTSTRAP. Tuples are comma-separated.

    Args:
        process: the process's name in logs, metrics and client ids, such as "shard-0".
        health_port: port of /healthz, /readyz and /metrics; 0 for none.
        health_host: where that port listens. Beyond loopback it answers these three only, for Prometheus.
        kafka_bootstrap: host:port, or a URL with a login (`runtime.kafka_address`).
        object_store_url: "file:///directory" or "s3://bucket/prefix".
        triton_url: host:port of Triton's gRPC door.
        model_repository: directory with the manifests and the description of the joint space.
        trace_dir: folder in which spans are written, a file for each process.
        otlp_endpoint: of the OpenTelemetry collector to which spans are sent (OTLP over HTTP), such as
            "http://collector:4318". Set by OTEL_EXPORTER_OTLP_ENDPOINT, as everywhere. Without this and
            `trace_dir` nothing is recorded.
        trace_share: of the traces that begin in this process, those that are recorded, 0 to 1.
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
    health_host: str = "127.0.0.1"
    kafka_bootstrap: str = Field(default="127.0.0.1:9092", repr=False)
    object_store_url: str = "file:///var/lib/trireme/objects"
    triton_url: str = "127.0.0.1:8001"
    redis_url: str = Field(default="redis://127.0.0.1:6379/0", repr=False)
    model_repository: Path = Path("model_repository")
    trace_dir: Path | None = None
    otlp_endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s/]\S*$")
    trace_share: float = Field(default=1.0, ge=0, le=1)
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
    values: dict[str, object] = {name: environ[key] for key, name in _STANDARD.items() if environ.get(key)}
    for key, text in environ.items():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX).lower()
            values[name] = _split(text) if _is_tuple(kind, name) else text
    try:
        return kind.model_validate(values)
    except ValidationError as exc:
        lines = [
            f"{_variable('_'.join(str(part) for part in error['loc'][:1]))}: {error['msg']}"
            for error in exc.errors(include_input=False, include_url=False)
        ]
        raise ConfigurationError("The settings cannot be used. " + "; ".join(lines)) from exc


def _variable(field: str) -> str:
    standard = {name: key for key, name in _STANDARD.items()}
    return standard.get(field, f"{PREFIX}{field.upper()}")


def _is_tuple(kind: type[ProcessSettings], name: str) -> bool:
    info = kind.model_fields.get(name)
    return info is not None and getattr(info.annotation, "__origin__", None) is tuple


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())

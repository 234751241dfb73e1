"""Settings of the gateway process, from `TRIREME_*` variables (see `runtime.settings`)."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from contracts.access import SHORTEST_KEY
from contracts.api import AnswerRerank
from contracts.joint import Weights
from contracts.topics import REPLY_PARTITIONS
from gateway.core.budget import Budgets
from runtime.settings import ProcessSettings

_LOOPBACK = "127.0.0.1"
_SHORTEST_SECRET = SHORTEST_KEY


class GatewaySettings(ProcessSettings):
    """What a gateway can be told.

    Args:
        host: only the loopback address is accepted while `api_keys` is empty.
        api_keys: once there is one, every request must bring one (`Authorization: Bearer KEY`).
        operator_keys: keys that may also see to dead letters; without any key everybody on this machine may.
        api_keys_file: hashed keys with scopes, tenants, collections and groups, as `trireme keys` writes them.
        ordinal: this gateway's partition of `search_res`; two gateways may share one, at the cost of speed.
        generation: name of an index generation, or "auto" for the youngest one that is serving.
        search_group: which replica group is asked first: "gpu" (group 0) or "cpu" (group 1).
        allowed_hosts: host names accepted in the Host header, without port.
        search_budget_ms and the other budgets: from the arrival of the request, see `gateway.core.budget`.
        max_searches: most searches in the index at once; more are refused with 429, see `gateway.core.admission`.
        least_searches: as many are let in however slow they are.
        slow_search_ms: a search that takes longer is a sign of overload.
        requests_per_minute, tokens_per_minute: quota of a key that has none of its own; 0 for no limit.
        max_chat_chars: all messages of a conversation together.
        max_embeddings: inputs of one request to `/v1/embeddings`.
        weight_*: ranking weights for queries that bring none.
        answer_rerank: what orders an answer's passages where a question does not say; "judge" is "score" while no
            language model is loaded.
        judge_budget_ms: longest wait for a judge.
        condense_budget_ms: longest wait for a follow-up question to be made whole by the language model.
        link_secret: secret of the short-lived links and of impression ids, at least 16 characters; made at start
            when empty.
        feedback_s: how long feedback on a response is taken.
        status_db: path of the SQLite file with the documents' states.
    """

    process: str = "gateway"
    host: str = _LOOPBACK
    port: int = Field(default=8080, ge=0, le=65535)
    ordinal: int = Field(default=0, ge=0, lt=REPLY_PARTITIONS)
    generation: str = "auto"
    search_group: Literal["gpu", "cpu"] = "gpu"
    api_keys: tuple[str, ...] = ()
    operator_keys: tuple[str, ...] = ()
    api_keys_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ("127.0.0.1", "localhost")

    encode_budget_ms: float = Field(default=80, gt=0)
    hedge_after_ms: float = Field(default=40, gt=0)
    hedge_until_ms: float = Field(default=110, gt=0)
    hedge_share: float = Field(default=0.05, ge=0, le=1)
    shard_deadline_ms: float = Field(default=180, gt=0)
    search_budget_ms: float = Field(default=200, gt=0)

    max_searches: int = Field(default=64, ge=1)
    least_searches: int = Field(default=4, ge=1)
    slow_search_ms: float = Field(default=150, gt=0)
    requests_per_minute: int = Field(default=0, ge=0)
    tokens_per_minute: int = Field(default=0, ge=0)
    max_query_chars: int = Field(default=2000, ge=1)
    max_chat_chars: int = Field(default=200_000, ge=1)
    max_embeddings: int = Field(default=128, ge=1)
    max_picture_bytes: int = Field(default=10 * 1024 * 1024, ge=1)
    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1)
    max_upload_bytes: int = Field(default=128 * 1024 * 1024, ge=1)

    cache_fresh_s: float = Field(default=300, ge=0)
    cache_kept_s: float = Field(default=86_400, ge=1)
    cache_wait_ms: float = Field(default=10, gt=0)

    weight_text_text: float = 1.0
    weight_text_image: float = 1.0
    weight_image_image: float = 1.0
    weight_lexical: float = Field(default=Weights().lexical, ge=0, le=10)

    answer_rerank: AnswerRerank = "score"
    judge_budget_ms: float = Field(default=8000, gt=0)
    condense_budget_ms: float = Field(default=4000, gt=0)

    link_secret: str = ""
    feedback_s: int = Field(default=86_400, ge=60, le=604_800)
    status_db: str = ".trireme/data/gateway-status.sqlite"

    @model_validator(mode="after")
    def _stay_on_loopback(self) -> Self:
        if self.host != _LOOPBACK and not (self.api_keys or self.operator_keys or self.api_keys_file):
            raise ValueError("while no API key exists the gateway listens on 127.0.0.1 only")
        return self

    @field_validator("api_keys", "operator_keys", "link_secret")
    @classmethod
    def _be_long_enough(cls, value: tuple[str, ...] | str) -> tuple[str, ...] | str:
        secrets = value if isinstance(value, tuple) else (value,) if value else ()
        if any(len(secret) < _SHORTEST_SECRET for secret in secrets):
            raise ValueError(f"must have at least {_SHORTEST_SECRET} characters")
        return value

    @model_validator(mode="after")
    def _be_in_order(self) -> Self:
        if not self.encode_budget_ms < self.shard_deadline_ms < self.search_budget_ms:
            raise ValueError("encode_budget_ms must be below shard_deadline_ms, and that below search_budget_ms")
        return self

    def budgets(self) -> Budgets:
        """The time budgets of one search."""
        return Budgets(
            encode_s=self.encode_budget_ms / 1000,
            hedge_after_s=self.hedge_after_ms / 1000,
            hedge_until_s=self.hedge_until_ms / 1000,
            shard_deadline_s=self.shard_deadline_ms / 1000,
            total_s=self.search_budget_ms / 1000,
        )

    def weights(self) -> Weights:
        """Ranking weights for queries that bring none."""
        return Weights(self.weight_text_text, self.weight_text_image, self.weight_image_image, self.weight_lexical)

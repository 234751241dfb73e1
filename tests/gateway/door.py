"""The whole HTTP app over fakes, and a client for it."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Protocol

import httpx
from fastapi import FastAPI

from contracts.errors import Overloaded
from contracts.joint import Weights
from gateway.answering import open_answers
from gateway.app import create_app
from gateway.clients.generators import ExtractiveGenerator, GeneratorChoice, LoadedModels
from gateway.clients.llama import LlamaGenerator, ModelStream
from gateway.clients.meter import PrometheusMeter
from gateway.clients.page_renderer import PageRenderer
from gateway.core.access import Caller
from gateway.core.clock import Clock
from gateway.core.impressions import ImpressionSigner
from gateway.core.links import Links
from gateway.core.quota import LocalQuotas
from gateway.core.readiness import Readiness
from gateway.core.signing import UrlSigner
from gateway.flows.chat import ChatFlow
from gateway.flows.dead_letters import DeadLetters
from gateway.flows.documents import Documents
from gateway.flows.embeddings import EmbeddingsFlow
from gateway.flows.experiment_search import ExperimentSearch
from gateway.flows.experiments import Experiments
from gateway.flows.feedback import Feedback
from gateway.flows.pages import Pages
from gateway.flows.pictures import PictureReader
from gateway.flows.shadow import Shadow
from gateway.services import Limits, Services
from gateway.settings import GatewaySettings
from runtime.breaker import CircuitBreaker
from runtime.telemetry import Metrics
from tests.gateway.experimenting import CountingExperimentMeter, MemoryLog, MemoryOnce
from tests.gateway.fakes import NoLlama, WordEncoder
from tests.gateway.letter_desk import MemoryDesk
from tests.gateway.library import DictStore, MemoryDoor, MemoryStatus
from tests.gateway.searching import Search

BASE = "http://127.0.0.1"
WRITE = {"X-Requested-With": "trireme"}


class Models(LoadedModels, ModelStream, Protocol):
    """What Triton is to the gateway where a language model is concerned."""


class MemoryQuotas:
    """Buckets in this process; a caller without a quota of its own has none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets = LocalQuotas()

    async def admit(self, caller: Caller) -> None:
        for kind, cost, per_minute in (
            ("requests", 1, caller.requests_per_minute),
            ("tokens", 0, caller.tokens_per_minute),
        ):
            if per_minute and (wait_ms := self._draw(kind, caller, cost, per_minute)) > 0:
                raise Overloaded("Used up.", retry_after_s=wait_ms / 1000)

    async def used(self, caller: Caller, tokens: int) -> None:
        if caller.tokens_per_minute:
            self._draw("tokens", caller, tokens, caller.tokens_per_minute, force=True)

    def _draw(self, kind: str, caller: Caller, cost: int, per_minute: int, *, force: bool = False) -> float:
        now_ms = self._clock.unix_s() * 1000
        return self._buckets.draw(f"{kind}:{caller.name}", now_ms, cost, per_minute, force=force)


@dataclass
class Door:
    """Everything behind the app, in reach of a test."""

    settings: GatewaySettings = field(default_factory=GatewaySettings)
    ready: bool = True
    models: Models = field(default_factory=NoLlama)
    max_new_tokens: int = 400
    variants: tuple[str, ...] = ("full",)

    def __post_init__(self) -> None:
        self.clock = Clock(time.monotonic, time.time)
        self.metrics = Metrics()
        self.encoder = WordEncoder()
        self.search = Search(self.clock, encoder=self.encoder, variants=self.variants)
        self.experiments = MemoryLog()
        self.experiment_meter = CountingExperimentMeter()
        self.once = MemoryOnce()
        self.status = MemoryStatus()
        self.desk = MemoryDesk(self.status)
        self.store = DictStore()
        self.door = MemoryDoor(self.store, self.status)
        self.quotas = MemoryQuotas(self.clock)
        self.links = Links(UrlSigner(secrets.token_bytes(16)), self.clock)
        documents = Documents(self.door, self.status, self.store, self.links)
        signer = ImpressionSigner(secrets.token_bytes(16), ttl_s=3600)
        generators = GeneratorChoice(
            self.models,
            LlamaGenerator(self.models, max_new_tokens=self.max_new_tokens),
            ExtractiveGenerator(lambda: self.encoder),
            monotonic_s=self.clock.monotonic_s,
        )
        breaker = CircuitBreaker("generator", failures=3, reset_s=10.0, clock=self.clock.monotonic_s)
        pictures = PictureReader(lambda: self.encoder, max_bytes=self.settings.max_picture_bytes)
        self.services = Services(
            clock=self.clock,
            metrics=self.metrics,
            limits=Limits(
                query_chars=self.settings.max_query_chars,
                chat_chars=self.settings.max_chat_chars,
                embeddings=self.settings.max_embeddings,
                weights=Weights(),
            ),
            search=self.search.flow,
            experiment_search=ExperimentSearch(
                self.search.flow,
                Shadow(self.search.flow, self.experiments, self.experiment_meter, self.clock),
                self.experiments,
                signer,
                self.experiment_meter,
                self.clock,
                new_id=lambda: secrets.token_hex(8),
            ),
            experiments=Experiments(
                self.experiments,
                self.clock,
                lambda: "distilled" in self.search.variants,
                self.search.generations.named,
                lambda: secrets.token_hex(8),
            ),
            feedback=Feedback(signer, self.once, self.experiments, self.experiment_meter, self.clock),
            pictures=pictures,
            readiness=self._readiness,
            models=self._models,
            answers=open_answers(
                self.search.flow,
                generators,
                count_tokens=self.encoder.token_count,
                breaker=breaker,
                meter=PrometheusMeter(self.metrics),
                clock=self.clock,
                rerank=self.settings.answer_rerank,
                judge_s=self.settings.judge_budget_ms / 1000,
                condense_s=self.settings.condense_budget_ms / 1000,
            ),
            chat=ChatFlow(generators, breaker=breaker, clock=self.clock),
            embeddings=EmbeddingsFlow(self.encoder, pictures),
            documents=documents,
            pages=Pages(documents, PageRenderer()),
            dead_letters=DeadLetters(self.desk, self.status, self.clock),
            store=self.store,
            links=self.links,
            quotas=self.quotas,
        )

    def app(self) -> FastAPI:
        """The app over these services."""
        return create_app(self.settings, self.services)

    def client(self, app: FastAPI | None = None) -> httpx.AsyncClient:
        """A client that reaches the app without a network."""
        transport = httpx.ASGITransport(app=app or self.app(), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=BASE)

    async def _readiness(self) -> Readiness:
        return Readiness(self.ready, {"kafka": self.ready})

    async def _models(self) -> list[str]:
        return ["text_encoder", "trireme"]

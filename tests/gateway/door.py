"""The whole HTTP app over fakes, and a client for it."""

import secrets
import time
from dataclasses import dataclass, field
from typing import Protocol

import httpx
from fastapi import FastAPI

from contracts.joint import Weights
from gateway.app import create_app
from gateway.clients.generators import ExtractiveGenerator, GeneratorChoice, LoadedModels
from gateway.clients.llama import LlamaGenerator, ModelStream
from gateway.clients.meter import PrometheusMeter
from gateway.core.clock import Clock
from gateway.core.links import Links
from gateway.core.readiness import Readiness
from gateway.core.signing import UrlSigner
from gateway.flows.answer import AnswerFlow
from gateway.flows.chat import ChatFlow
from gateway.flows.documents import Documents
from gateway.flows.embeddings import EmbeddingsFlow
from gateway.flows.pictures import PictureReader
from gateway.services import Limits, Services
from gateway.settings import GatewaySettings
from runtime.breaker import CircuitBreaker
from runtime.telemetry import Metrics
from tests.gateway.fakes import NoLlama, WordEncoder
from tests.gateway.library import DictStore, MemoryDoor, MemoryStatus
from tests.gateway.searching import Search

BASE = "http://127.0.0.1"
WRITE = {"X-Requested-With": "trireme"}


class Models(LoadedModels, ModelStream, Protocol):
    """What Triton is to the gateway where a language model is concerned."""


@dataclass
class Door:
    """Everything behind the app, in reach of a test."""

    settings: GatewaySettings = field(default_factory=GatewaySettings)
    ready: bool = True
    models: Models = field(default_factory=NoLlama)
    max_new_tokens: int = 400

    def __post_init__(self) -> None:
        self.clock = Clock(time.monotonic, time.time)
        self.metrics = Metrics()
        self.encoder = WordEncoder()
        self.search = Search(self.clock, encoder=self.encoder)
        self.status = MemoryStatus()
        self.store = DictStore()
        self.door = MemoryDoor(self.store, self.status)
        self.links = Links(UrlSigner(secrets.token_bytes(16)), self.clock)
        generators = GeneratorChoice(
            self.models,
            LlamaGenerator(self.models, max_new_tokens=self.max_new_tokens),
            ExtractiveGenerator(self.encoder),
            monotonic_s=self.clock.monotonic_s,
        )
        breaker = CircuitBreaker("generator", failures=3, reset_s=10.0, clock=self.clock.monotonic_s)
        pictures = PictureReader(self.encoder, max_bytes=self.settings.max_picture_bytes)
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
            pictures=pictures,
            readiness=self._readiness,
            models=self._models,
            answers=AnswerFlow(
                self.search.flow,
                generators,
                count_tokens=self.encoder.token_count,
                breaker=breaker,
                meter=PrometheusMeter(self.metrics),
                clock=self.clock,
            ),
            chat=ChatFlow(generators, breaker=breaker, clock=self.clock),
            embeddings=EmbeddingsFlow(self.encoder, pictures),
            documents=Documents(self.door, self.status, self.store, self.links),
            store=self.store,
            links=self.links,
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

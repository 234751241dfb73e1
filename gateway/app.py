"""Builds the gateway: the app from its routers and middleware, and the services from their clients."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI

from contracts.generations import Generation
from contracts.search import CPU_GROUP, PRIMARY_GROUP
from encoding.encoder import Encoder
from encoding.opening import open_encoder
from gateway.clients.answer_cache import RedisAnswerCache
from gateway.clients.generation_watch import GenerationWatch
from gateway.clients.generators import ExtractiveGenerator, GeneratorChoice
from gateway.clients.llama import LlamaGenerator
from gateway.clients.meter import PrometheusMeter
from gateway.clients.readiness import ReadinessCheck
from gateway.clients.reply_bus import ReplyBus
from gateway.clients.status_fold import StatusFold
from gateway.clients.touches import KafkaTouches
from gateway.core.clock import Clock
from gateway.core.hedging import HedgeAllowance
from gateway.core.links import Links
from gateway.core.policy import DISTILLED, FULL
from gateway.core.shard_health import ShardHealth
from gateway.core.signing import UrlSigner
from gateway.flows.answer import AnswerFlow
from gateway.flows.ask_once import ask_once, probe_request
from gateway.flows.chat import ChatFlow
from gateway.flows.documents import Documents
from gateway.flows.embeddings import EmbeddingsFlow
from gateway.flows.encode import EncodeQuery
from gateway.flows.pictures import PictureReader
from gateway.flows.scatter import AskShards
from gateway.flows.search import SearchFlow
from gateway.routes import (
    answers,
    api_docs,
    chat,
    documents,
    embeddings,
    health,
    media,
    models,
    playground,
    problems,
    search,
)
from gateway.routes.api_keys import RequireKey
from gateway.routes.guards import WRITE_HEADER, BodyLimit, Guards
from gateway.routes.middleware import TRACE_HEADER, RequestContext
from gateway.services import Limits, Services
from gateway.settings import GatewaySettings
from runtime.breaker import CircuitBreaker
from runtime.kafka_producer import KafkaProducer
from runtime.log_epoch import read_log_epoch
from runtime.object_store import ObjectStore
from runtime.publishing import DocumentPublisher
from runtime.telemetry import Metrics
from runtime.triton import TritonClient

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    search.router,
    answers.router,
    chat.router,
    embeddings.router,
    models.router,
    documents.router,
    media.router,
    playground.router,
    api_docs.router,
)

# As long as a search may take: a generation that needs longer for a question about nothing is not ready.
_PROBE_TIMEOUT_S = 0.2

_DESCRIPTION = (
    "Errors are `application/problem+json`; routes under `openai` answer them as that protocol does. "
    f"A POST that is not JSON (an upload) needs the header `{WRITE_HEADER}`, with any value: "
    "a form on a foreign page cannot send it. "
    f"Every response has the id of its trace in `{TRACE_HEADER}`; a `traceparent` is continued."
)


@asynccontextmanager
async def open_services(settings: GatewaySettings) -> AsyncIterator[Services]:
    """The services over real clients, for as long as the block lasts. No dependency need be up yet.

    Raises:
        ConfigurationError: models are not exported, or the set-up step that settles the log epoch has not run.
    """
    clock = Clock(time.monotonic, time.time)
    metrics = Metrics()
    async with AsyncExitStack() as closing:
        triton = TritonClient(settings.triton_url)
        closing.push_async_callback(triton.close)
        encoder = await closing.enter_async_context(open_encoder(triton, settings))
        cache = RedisAnswerCache(
            settings.redis_url,
            metrics,
            clock,
            kept_s=settings.cache_kept_s,
        )
        closing.push_async_callback(cache.close)
        bus = await closing.enter_async_context(
            ReplyBus(settings.kafka_bootstrap, settings.ordinal, metrics, max_open=settings.max_searches).running()
        )

        async def is_ready(generation: Generation) -> bool:
            probe = probe_request(generation, encoder.space)
            return len(await ask_once(bus, generation, probe, timeout_s=_PROBE_TIMEOUT_S)) == generation.n_shards

        generations = await closing.enter_async_context(
            GenerationWatch(
                settings.kafka_bootstrap,
                encoder.space,
                wanted=settings.generation,
                remembered=Path(settings.status_db).with_suffix(".generation.json"),
                is_ready=is_ready,
            ).running()
        )
        secret = settings.link_secret or secrets.token_urlsafe(32)
        links = Links(UrlSigner(secret.encode()), clock)
        meter = PrometheusMeter(metrics)
        producer = KafkaProducer(settings.kafka_bootstrap, f"{settings.process}-door")
        closing.push_async_callback(asyncio.to_thread, producer.close)
        touches = await closing.enter_async_context(KafkaTouches(producer, metrics, clock).running())
        search_flow = _search_flow(settings, encoder, bus, cache, generations, links, meter, touches, clock)
        generators = GeneratorChoice(
            triton, LlamaGenerator(triton), ExtractiveGenerator(encoder), monotonic_s=clock.monotonic_s
        )
        # One for whatever writes: a language model that fails for one route fails for the other.
        breaker = CircuitBreaker("generator", failures=3, reset_s=10.0, clock=clock.monotonic_s)
        pictures = PictureReader(encoder, max_bytes=settings.max_picture_bytes)
        check = ReadinessCheck(bus, generations, triton, cache, encoder.models)
        await cache.ping()

        store = ObjectStore.from_url(settings.object_store_url)
        status = StatusFold(
            settings.kafka_bootstrap,
            Path(settings.status_db),
            client_id=f"{settings.process}-status",
        )
        status.start()
        closing.push_async_callback(asyncio.to_thread, status.stop)
        publisher = DocumentPublisher(store, producer, await read_log_epoch(store))
        yield Services(
            clock=clock,
            metrics=metrics,
            limits=Limits(
                query_chars=settings.max_query_chars,
                chat_chars=settings.max_chat_chars,
                embeddings=settings.max_embeddings,
                weights=settings.weights(),
            ),
            search=search_flow,
            pictures=pictures,
            readiness=check.readiness,
            models=check.models,
            answers=AnswerFlow(
                search_flow,
                generators,
                count_tokens=encoder.token_count,
                breaker=breaker,
                meter=meter,
                clock=clock,
            ),
            chat=ChatFlow(generators, breaker=breaker, clock=clock),
            embeddings=EmbeddingsFlow(encoder, pictures),
            documents=Documents(publisher, status, store, links),
            store=store,
            links=links,
        )


def _search_flow(
    settings: GatewaySettings,
    encoder: Encoder,
    bus: ReplyBus,
    cache: RedisAnswerCache,
    generations: GenerationWatch,
    links: Links,
    meter: PrometheusMeter,
    touches: KafkaTouches,
    clock: Clock,
) -> SearchFlow:
    shard_health = ShardHealth(clock.monotonic_s, answer_within_s=settings.shard_deadline_ms / 1000)
    shards = AskShards(
        bus,
        shard_health,
        HedgeAllowance(settings.hedge_share),
        clock,
        meter,
        preferred_group=CPU_GROUP if settings.search_group == "cpu" else PRIMARY_GROUP,
    )
    return SearchFlow(
        encode=EncodeQuery(encoder, clock),
        shards=shards,
        bus=bus,
        cache=cache,
        generations=generations,
        links=links,
        meter=meter,
        shown=touches,
        clock=clock,
        space_id=encoder.space.space_id,
        text_dim=encoder.space.text_dim,
        budgets=settings.budgets(),
        variants={FULL, DISTILLED} if encoder.has_distilled else {FULL},
        fresh_s=settings.cache_fresh_s,
        cache_wait_s=settings.cache_wait_ms / 1000,
        max_at_once=settings.max_searches,
    )


def create_app(settings: GatewaySettings, services: Services) -> FastAPI:
    """The gateway as an ASGI app over these services, which the caller opens and closes."""
    app = FastAPI(
        title="Trireme",
        summary="Multimodal search and answers over your own documents.",
        description=_DESCRIPTION,
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
    )
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(
        BodyLimit,
        limits=(("/v1/documents", settings.max_upload_bytes), ("/", settings.max_body_bytes)),
    )
    app.add_middleware(RequireKey, keys=settings.api_keys)
    app.add_middleware(Guards, allowed_hosts=settings.allowed_hosts)
    app.add_middleware(RequestContext, metrics=services.metrics)
    return app

"""Builds the gateway: the app from its routers and middleware, and the services from their clients."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI

from contracts.generations import Generation
from encoding.encoder import Encoder
from encoding.opening import open_encoders
from gateway.answering import open_answers
from gateway.clients.answer_cache import RedisAnswerCache
from gateway.clients.generation_watch import GenerationWatch
from gateway.clients.generators import ExtractiveGenerator, GeneratorChoice
from gateway.clients.key_file import Keys
from gateway.clients.letter_desk import KafkaLetterDesk
from gateway.clients.llama import LlamaGenerator
from gateway.clients.meter import PrometheusMeter
from gateway.clients.page_renderer import PageRenderer
from gateway.clients.quotas import Quotas
from gateway.clients.readiness import ReadinessCheck
from gateway.clients.reply_bus import ReplyBus
from gateway.clients.shadow_search import shadow_search
from gateway.clients.spaces import OpenedSpaces
from gateway.clients.status_fold import StatusFold
from gateway.clients.touches import KafkaTouches
from gateway.core.clock import Clock
from gateway.core.links import Links
from gateway.core.signing import UrlSigner
from gateway.experiments import open_experiments
from gateway.flows.ask_once import ask_once, probe_request
from gateway.flows.chat import ChatFlow
from gateway.flows.dead_letters import DeadLetters
from gateway.flows.documents import Documents
from gateway.flows.embeddings import EmbeddingsFlow
from gateway.flows.pages import Pages
from gateway.flows.pictures import PictureReader
from gateway.routes import (
    answers,
    api_docs,
    chat,
    dead_letters,
    documents,
    embeddings,
    experiments,
    feedback,
    health,
    media,
    models,
    pages,
    playground,
    problems,
    search,
)
from gateway.routes.api_keys import RequireKey
from gateway.routes.guards import WRITE_HEADER, BodyLimit, Guards
from gateway.routes.middleware import TRACE_HEADER, RequestContext
from gateway.routes.quotas import CountRequests
from gateway.searching import open_search, preferred_group
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
    pages.router,
    dead_letters.router,
    experiments.router,
    feedback.router,
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
        encoders = await closing.enter_async_context(open_encoders(triton, settings))
        spaces = OpenedSpaces(encoders, clock)
        cache = RedisAnswerCache(
            settings.redis_url,
            metrics,
            clock,
            kept_s=settings.cache_kept_s,
        )
        closing.push_async_callback(cache.close)
        quotas = Quotas(
            settings.redis_url,
            metrics,
            clock,
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
        )
        closing.push_async_callback(quotas.close)
        bus = await closing.enter_async_context(
            ReplyBus(settings.kafka_bootstrap, settings.ordinal, metrics, max_open=settings.max_searches).running()
        )

        async def is_ready(generation: Generation) -> bool:
            await spaces.answers(generation)
            probe = probe_request(generation, spaces.of(generation.space_id).space)
            return len(await ask_once(bus, generation, probe, timeout_s=_PROBE_TIMEOUT_S)) == generation.n_shards

        generations = await closing.enter_async_context(
            GenerationWatch(
                settings.kafka_bootstrap,
                spaces.ids,
                wanted=settings.generation,
                remembered=Path(settings.status_db).with_suffix(".generation.json"),
                is_ready=is_ready,
            ).running()
        )

        def encoder() -> Encoder:
            return spaces.current_encoder(generations)

        secret = settings.link_secret or secrets.token_urlsafe(32)
        links = Links(UrlSigner(secret.encode()), clock)
        meter = PrometheusMeter(metrics)
        producer = KafkaProducer(settings.kafka_bootstrap, f"{settings.process}-door")
        closing.push_async_callback(asyncio.to_thread, producer.close)
        touches = await closing.enter_async_context(KafkaTouches(producer, metrics, clock).running())
        search_flow = open_search(settings, spaces, bus, cache, generations, links, meter, touches, clock)
        shadows = shadow_search(
            settings.budgets(),
            preferred_group=preferred_group(settings),
            spaces=spaces,
            bus=bus,
            generations=generations,
            links=links,
            clock=clock,
        )
        on_trial = await closing.enter_async_context(
            open_experiments(
                settings,
                secret=secret.encode(),
                searches=search_flow,
                shadows=shadows,
                producer=producer,
                metrics=metrics,
                clock=clock,
                spaces=spaces,
                generations=generations,
            )
        )
        generators = GeneratorChoice(
            triton, LlamaGenerator(triton), ExtractiveGenerator(encoder), monotonic_s=clock.monotonic_s
        )
        # One for whatever writes: a language model that fails for one route fails for the other.
        breaker = CircuitBreaker("generator", failures=3, reset_s=10.0, clock=clock.monotonic_s)
        pictures = PictureReader(encoder, max_bytes=settings.max_picture_bytes)
        # Embeddings go by the names of models, and the plain names are those of the first space.
        first_pictures = PictureReader(lambda: encoders.first, max_bytes=settings.max_picture_bytes, at_once=1)
        check = ReadinessCheck(bus, generations, triton, cache, lambda current: spaces.encoder_of(current).models)
        await cache.ping()

        store = ObjectStore.from_url(settings.object_store_url)
        status = StatusFold(
            settings.kafka_bootstrap,
            Path(settings.status_db),
            client_id=f"{settings.process}-status",
        )
        status.start()
        closing.push_async_callback(asyncio.to_thread, status.stop)
        desk = KafkaLetterDesk(settings.kafka_bootstrap, f"{settings.process}-door", producer)
        publisher = DocumentPublisher(store, producer, await read_log_epoch(store))
        library = Documents(publisher, status, store, links)
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
            experiment_search=on_trial.search,
            experiments=on_trial.operators,
            feedback=on_trial.feedback,
            pictures=pictures,
            readiness=check.readiness,
            models=check.models,
            answers=open_answers(
                search_flow,
                generators,
                count_tokens=lambda text: encoder().token_count(text),
                breaker=breaker,
                meter=meter,
                clock=clock,
                rerank=settings.answer_rerank,
                judge_s=settings.judge_budget_ms / 1000,
                condense_s=settings.condense_budget_ms / 1000,
            ),
            chat=ChatFlow(generators, breaker=breaker, clock=clock),
            embeddings=EmbeddingsFlow(encoders.first, first_pictures),
            documents=library,
            pages=Pages(library, PageRenderer()),
            dead_letters=DeadLetters(desk, status, clock),
            store=store,
            links=links,
            quotas=quotas,
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
    app.add_middleware(CountRequests, quotas=services.quotas)
    keys = Keys(settings.api_keys, settings.operator_keys, settings.api_keys_file, services.clock)
    app.add_middleware(RequireKey, ring=keys.ring, now_ms=services.clock.unix_ms)
    app.add_middleware(Guards, allowed_hosts=settings.allowed_hosts)
    app.add_middleware(RequestContext, metrics=services.metrics)
    return app

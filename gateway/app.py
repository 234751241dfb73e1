"""Builds the gateway: the app from its routers and middleware, and the services from their clients."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import APIRouter, FastAPI

from gateway.routes import health, problems
from gateway.routes.guards import BodyLimit, Guards
from gateway.routes.middleware import RequestContext
from gateway.services import Services
from gateway.settings import GatewaySettings
from runtime.telemetry import Metrics

ROUTERS: tuple[APIRouter, ...] = (health.router,)

ServicesFactory = Callable[[GatewaySettings, Metrics], AbstractAsyncContextManager[Services]]


def create_app(settings: GatewaySettings, open_services: ServicesFactory) -> FastAPI:
    """The gateway as an ASGI app.

    Args:
        open_services: gives the services while the app runs; tests pass one with fakes.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings, metrics) as services:
            app.state.services = services
            yield

    app = FastAPI(
        title="Trireme",
        summary="Multimodal search and answers over your own documents.",
        version="0.1.0",
        lifespan=lifespan,
    )
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    # The last one added is the outermost.
    app.add_middleware(
        BodyLimit,
        limits=(("/v1/documents", settings.max_upload_bytes), ("/", settings.max_body_bytes)),
    )
    app.add_middleware(Guards, allowed_hosts=settings.allowed_hosts)
    app.add_middleware(RequestContext, metrics=metrics)
    return app

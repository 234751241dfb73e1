"""/healthz, /readyz and /metrics."""

import msgspec
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.routes.context import respond, services_of

router = APIRouter(tags=["health"])


@router.get("/healthz", summary="Is the process alive?")
async def healthz() -> Response:
    """200 as long as the event loop turns; asks no dependency."""
    return respond({"status": "alive"})


@router.get("/readyz", summary="Can searches be answered?")
async def readyz(request: Request) -> Response:
    """200 when they can, 503 with the part that is missing otherwise."""
    readiness = await services_of(request).readiness()
    body = {"ready": readiness.ready, **readiness.details}
    return Response(msgspec.json.encode(body), 200 if readiness.ready else 503, media_type="application/json")


@router.get("/metrics", summary="Prometheus metrics")
async def metrics(request: Request) -> Response:
    """All metrics of this process in Prometheus' text format."""
    return Response(generate_latest(services_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)

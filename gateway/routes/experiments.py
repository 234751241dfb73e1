"""GET/PUT /v1/experiments, POST .../start and .../stop: for operators (`gateway.core.access`)."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel

from contracts.experiments_view import ExperimentList, ExperimentView
from gateway.routes.context import caller_of, respond, services_of, tenant_of
from gateway.routes.experiment_body import ExperimentBody, ReasonBody
from gateway.routes.json_body import read_json, schema_of, validated

router = APIRouter(prefix="/v1/experiments", tags=["experiments"])

Name = Annotated[str, Path(max_length=60, description="Name of the experiment.")]


def _body(kind: type[BaseModel], *, required: bool) -> dict[str, Any]:
    content = {"application/json": {"schema": schema_of(kind)}}
    return {"requestBody": {"required": required, "content": content}}


@router.get("", summary="List experiments", response_model=ExperimentList)
async def experiments(request: Request) -> Response:
    """All experiments, running ones first, with their numbers and without their history."""
    return respond(await services_of(request).experiments.list())


@router.get("/{name}", summary="An experiment", response_model=ExperimentView)
async def experiment(request: Request, name: Name) -> Response:
    """Its variants, their counts, the intervals of all measures now and over time, and the audit log.

    Intervals hold at all times at once: look as often as you like, and stop when you have seen enough.
    """
    return respond(await services_of(request).experiments.show(name))


@router.put(
    "/{name}",
    summary="Define an experiment",
    response_model=ExperimentView,
    openapi_extra=_body(ExperimentBody, required=True),
)
async def put(request: Request, name: Name) -> Response:
    """A new experiment, another definition of one that does not run, or other weights of one that does."""
    body = await read_json(request, lambda data: validated(ExperimentBody, data))
    view = await services_of(request).experiments.put(
        body.experiment(tenant_of(request), name), by=caller_of(request).name, why=body.why, version=body.version
    )
    return respond(view)


@router.post(
    "/{name}/start",
    summary="Start an experiment",
    response_model=ExperimentView,
    openapi_extra=_body(ReasonBody, required=True),
)
async def start(request: Request, name: Name) -> Response:
    """Numbers begin at zero. 409 while another running experiment changes the same."""
    why = (await _reason(request)).why
    return respond(await services_of(request).experiments.start(name, by=caller_of(request).name, why=why))


@router.post(
    "/{name}/stop",
    summary="Stop an experiment",
    response_model=ExperimentView,
    openapi_extra=_body(ReasonBody, required=True),
)
async def stop(request: Request, name: Name) -> Response:
    """Everybody is answered as before it. Its numbers stay."""
    why = (await _reason(request)).why
    return respond(await services_of(request).experiments.stop(name, by=caller_of(request).name, why=why))


async def _reason(request: Request) -> ReasonBody:
    return await read_json(request, lambda data: validated(ReasonBody, data))

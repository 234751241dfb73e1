"""POST /v1/feedback: what people make of a response."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from contracts.experiment_events import FeedbackKind
from gateway.flows.feedback import Said
from gateway.routes.context import respond, services_of, tenant_of
from gateway.routes.json_body import read_json, schema_of, validated

router = APIRouter(tags=["experiments"])


class FeedbackBody(BaseModel):
    """Feedback on one response."""

    model_config = ConfigDict(extra="forbid")

    impression_id: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="`impression_id` of the response."
    )
    kind: FeedbackKind = Field(description="A click on a hit, or a judgement of all hits, or of the answer.")
    positive: bool = True
    rank: int | None = Field(default=None, ge=1, le=1000, description="Of a click: the hit's rank.")


@dataclass(frozen=True, slots=True)
class FeedbackTaken:
    """How many experiments it counts for."""

    experiments: int


@router.post(
    "/v1/feedback",
    status_code=202,
    summary="Say what a response was worth",
    response_model=FeedbackTaken,
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of(FeedbackBody)}}}
    },
)
async def feedback(request: Request) -> Response:
    """Each impression can be judged once for each kind, and each of its hits clicked once: 409 says it was before.

    Needs nothing but the id, which is signed; it tells nobody who asked or what for.
    """
    body = await read_json(request, lambda data: validated(FeedbackBody, data))
    said = Said(impression_id=body.impression_id, kind=body.kind, positive=body.positive, rank=body.rank)
    return respond(FeedbackTaken(await services_of(request).feedback.take(tenant_of(request), said)), status=202)

"""GET /v1/models, as the OpenAI protocol has it."""

from fastapi import APIRouter, Request, Response

from contracts.errors import NotFound
from gateway.routes.context import respond, services_of

router = APIRouter(tags=["models"])


@router.get("/v1/models", summary="Models that answer now")
async def models(request: Request) -> Response:
    """Encoders and generators in OpenAI's list format."""
    names = await services_of(request).models()
    return respond({"object": "list", "data": [_card(name) for name in names]})


@router.get("/v1/models/{model}", summary="One model")
async def model(request: Request, model: str) -> Response:
    """A model that answers now."""
    if model not in await services_of(request).models():
        raise NotFound("There is no such model, or it is not loaded.")
    return respond(_card(model))


def _card(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "trireme"}

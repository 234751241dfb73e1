"""GET /v1/models, as the OpenAI protocol has it."""

from fastapi import APIRouter, Request, Response

from contracts.errors import NotFound
from gateway.routes.context import respond, services_of
from gateway.routes.openai_errors import described_errors

router = APIRouter(tags=["openai"])


@router.get("/v1/models", summary="Models that answer now")
async def models(request: Request) -> Response:
    """What can be asked for as `model`: encoders, the language model where one is loaded, and `trireme`."""
    names = await services_of(request).models()
    return respond({"object": "list", "data": [_card(name) for name in names]})


@router.get("/v1/models/{model}", summary="One model", responses=described_errors(404))
async def model(request: Request, model: str) -> Response:
    """A model that answers now."""
    if model not in await services_of(request).models():
        raise NotFound("There is no such model, or it is not loaded.", param="model")
    return respond(_card(model))


def _card(name: str) -> dict[str, object]:
    # The protocol wants a date. Nothing that answers has one.
    return {"id": name, "object": "model", "created": 0, "owned_by": "trireme"}

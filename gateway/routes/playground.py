"""The playground at `/`: static files of the package, with a policy that lets the page reach nothing but us."""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from fastapi import APIRouter, Request, Response

from contracts.errors import NotFound
from gateway.routes.static_file import static_file

router = APIRouter(include_in_schema=False)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_MODULES = (
    "app",
    "answer",
    "api",
    "chart",
    "documents",
    "dom",
    "experiments",
    "filters",
    "measures",
    "picture",
    "results",
    "sheet",
)
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("index.html", "experiments.html"), "text/html; charset=utf-8"),
        **{f"{module}.js": "text/javascript; charset=utf-8" for module in _MODULES},
        **dict.fromkeys(("style.css", "experiments.css"), "text/css; charset=utf-8"),
        "icon.svg": "image/svg+xml",
    }
)


@router.get("/")
async def page(request: Request) -> Response:
    """The page."""
    return _file(request, "index.html")


@router.get("/playground/{name}")
async def asset(request: Request, name: str) -> Response:
    """What the page needs."""
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    if name not in _KINDS:
        raise NotFound("There is nothing at this address.")
    data = files("gateway").joinpath("playground", name).read_bytes()
    return static_file(request, data, _KINDS[name], _POLICY)

"""The description of the API for people at `/docs`: Swagger UI, whose script and style come from here too.

FastAPI's own page would load them from a network that this machine may not reach, and trust what it gets.
"""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from fastapi import APIRouter, Request, Response

from contracts.errors import NotFound
from gateway.routes.guards import WRITE_HEADER
from gateway.routes.static_file import static_file

router = APIRouter(prefix="/docs", include_in_schema=False)

# Swagger UI writes style attributes and shows its icons as data URLs; scripts are those of the files below.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Trireme: the API</title>
<link rel="icon" href="/playground/icon.svg">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = f"""SwaggerUIBundle({{
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  requestInterceptor: (request) => {{
    request.headers["{WRITE_HEADER}"] = "trireme";
    return request;
  }},
}});
"""
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
        "swagger-ui.css": "text/css; charset=utf-8",
    }
)


@router.get("")
async def page(request: Request) -> Response:
    """The page."""
    return static_file(request, _PAGE.encode(), "text/html; charset=utf-8", _POLICY)


@router.get("/start.js")
async def start(request: Request) -> Response:
    """Opens the description; a script of its own, because the policy allows none in the page."""
    return static_file(request, _START.encode(), "text/javascript; charset=utf-8", _POLICY)


@router.get("/{name}")
async def asset(request: Request, name: str) -> Response:
    """Swagger UI."""
    if name not in _KINDS:
        raise NotFound("There is nothing at this address.")
    data = files("fastapi_offline").joinpath("static", name).read_bytes()
    return static_file(request, data, _KINDS[name], _POLICY)

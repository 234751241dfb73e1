"""A FastAPI app with one route and nothing behind it: reads the body of a search, encodes an answer of its size.

    python -m benchmarks.gateway.bare_route ANSWER.json

What any gateway in this framework pays at least: the same server and settings, the same pydantic model of the
body, an answer of the same size, encoded for each request by msgspec as the gateway does.
"""

import socket
import sys
from pathlib import Path

import msgspec
import uvicorn
import uvloop
from fastapi import FastAPI, Response

from contracts.api import SearchResponse
from gateway.routes.search_body import SearchBody

_JSON = "application/json"


def app_of(answer: SearchResponse) -> FastAPI:
    """The app."""
    app = FastAPI()

    @app.post("/v1/search")
    async def search(body: SearchBody) -> Response:
        assert body.query is not None
        return Response(msgspec.json.encode(answer), media_type=_JSON)

    return app


def main() -> None:
    """Serve on a free port, which is printed."""
    answer = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=SearchResponse)
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app_of(answer),
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    uvloop.run(uvicorn.Server(config).serve(sockets=[listening]))


if __name__ == "__main__":
    main()

"""The HTTP servers of a process: uvicorn within its event loop, and the endpoints ``/metrics``, ``/healthz`` and ``/readyz``.

Load this module only if a port is set: the server takes memory.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from services.runtime.environment import SettingsError
from services.runtime.tasks import cancel_once

Ready = Callable[[], Awaitable[dict[str, bool]]]
"""Returns for each dependency of the process whether it answers."""
_KEEP_ALIVE_SECONDS = 75
_CLOSE_SECONDS = 2
_UNCACHED = {"Cache-Control": "no-store"}


class _Server(uvicorn.Server):
    """A server that leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing about them."""
        yield


def listen(setting: str, host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        SettingsError: the port cannot be used; the text names the setting.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise SettingsError(
            f"{setting} is wrong ({host}:{port}: {error.strerror}): give a port that is free."
        ) from error


async def serve_app(
    app: ASGIApp, listening: socket.socket, *, proxies: list[str] | None = None, grace: float = _CLOSE_SECONDS
) -> None:
    """Serve an application until cancelled, then finish the requests that are being answered.

    Client addresses that ``proxies`` report are trusted. Open requests may take ``grace`` seconds at the end.
    """
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies or [],
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(grace),
            h11_max_incomplete_event_size=32 * 1024,
        )
    )
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
    finally:
        listening.close()


@asynccontextmanager
async def serve_health(listening: socket.socket, *, registry: CollectorRegistry, ready: Ready) -> AsyncIterator[None]:
    """Serve metrics and health for the duration of a ``with`` block.

    ``/healthz`` answers 200 while the event loop runs, even if the broker or the database is down: a restart would not fix
    them. ``/readyz`` answers 503 while one of them does not answer, and names it.
    """
    serving = asyncio.create_task(serve_app(_health_app(registry, ready), listening), name="http")
    try:
        yield
    finally:
        await cancel_once(serving)


def _health_app(registry: CollectorRegistry, ready: Ready) -> Starlette:
    async def healthz(_: Request) -> PlainTextResponse:
        return PlainTextResponse("ok\n", headers=_UNCACHED)

    async def readyz(_: Request) -> PlainTextResponse:
        parts = await ready()
        lines = "".join(f"{name}: {'ok' if fine else 'does not answer'}\n" for name, fine in parts.items())
        return PlainTextResponse(lines, 200 if all(parts.values()) else 503, _UNCACHED)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), headers=_UNCACHED | {"Content-Type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)])

"""``/metrics``, ``/healthz`` and ``/readyz``: HTTP/1.1 as far as probes and Prometheus speak it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

_REQUEST_SECONDS = 5.0
_MAX_REQUEST = 16 * 1024

Ready = Callable[[], Awaitable[dict[str, bool]]]
"""Says of each thing that the process needs whether it answers."""


@asynccontextmanager
async def serve_http(host: str, port: int, *, registry: CollectorRegistry, ready: Ready) -> AsyncIterator[int]:
    """Serve for the time of a ``with`` block; gives the port (a free one for port 0).

    ``/healthz`` is 200 while the event loop answers, whatever the broker and the database do: restarting us would not mend
    them. ``/readyz`` is 503 while one of them does not answer, and says which.
    """
    server = await asyncio.start_server(_Server(registry, ready).serve, host, port, limit=_MAX_REQUEST)
    async with server:
        yield server.sockets[0].getsockname()[1]


class _Server:
    def __init__(self, registry: CollectorRegistry, ready: Ready) -> None:
        self._registry = registry
        self._ready = ready

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                status, content_type, body = await self._answer(head.partition(b"\r\n")[0])
                writer.write(
                    f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {content_type}\r\n"
                    f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n".encode()
                    + body
                )
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes) -> tuple[HTTPStatus, str, bytes]:
        text = "text/plain; charset=utf-8"
        match line.split():
            case [b"GET", target, _]:
                path = target.partition(b"?")[0]
            case _:
                return HTTPStatus.METHOD_NOT_ALLOWED, text, b"only GET\n"
        match path:
            case b"/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._registry)
            case b"/healthz":
                return HTTPStatus.OK, text, b"ok\n"
            case b"/readyz":
                parts = await self._ready()
                lines = "".join(f"{name}: {'ok' if fine else 'does not answer'}\n" for name, fine in parts.items())
                return HTTPStatus.OK if all(parts.values()) else HTTPStatus.SERVICE_UNAVAILABLE, text, lines.encode()
            case _:
                return HTTPStatus.NOT_FOUND, text, b"/metrics, /healthz, /readyz\n"

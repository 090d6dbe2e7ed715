"""HTTP to identity servers: the connection goes to the address that the network guard checked; answers are bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from services.mailbox.connection import Code, ConnectPolicy, MailServerError, NetGuard
from services.mailbox.oauth.errors import THROTTLED, TIMED_OUT, UNAVAILABLE, UNREADABLE, IdentityServerError

MAX_BYTES = 256 * 1024
_TOO_MANY = 429
_SERVER_FAILED = 500
_LONGEST_PAUSE = 3600


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to checked addresses only."""

    def __init__(self, guard: NetGuard) -> None:
        self._guard = guard
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first checked address that answers."""
        failure: Exception = httpcore.ConnectError("no address answers")
        addresses = await asyncio.to_thread(self._guard.addresses, host)
        share = None if timeout is None else timeout / len(addresses)
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


class GuardedTransport(httpx.AsyncBaseTransport):
    """The transport of every request to an identity server. It follows no redirects and uses no proxy of the environment."""

    def __init__(self, policy: ConnectPolicy) -> None:
        self._policy = policy
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=policy.tls, network_backend=_GuardedBackend(policy.guard), max_connections=4
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the whole answer.

        Raises:
            IdentityServerError: no connection, no answer in time, too long an answer, or the server is overloaded.
        """
        url = request.url
        if url.scheme != "https" and not self._policy.allow_plaintext:
            raise IdentityServerError("insecure", "identity servers are asked over https:// only")
        request.headers["Accept-Encoding"] = "identity"  # or a small answer could unpack to a large one
        try:
            async with asyncio.timeout(self._policy.timeouts.connect):
                answer = await self._pool.handle_async_request(
                    httpcore.Request(
                        method=request.method,
                        url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                        headers=request.headers.raw,
                        content=request.stream,
                    )
                )
                try:
                    body = await _read(answer)
                finally:
                    await answer.aclose()
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise IdentityServerError(TIMED_OUT, "the sign-in server did not answer in time") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise IdentityServerError(UNAVAILABLE, "the sign-in server cannot be reached") from error
        except MailServerError as error:
            if error.code is Code.NOT_PUBLIC:
                raise IdentityServerError(
                    "not-public", "the sign-in server's name leads to no public address"
                ) from error
            raise IdentityServerError(UNAVAILABLE, error.detail) from error
        if any(name.lower() == b"content-encoding" and value != b"identity" for name, value in answer.headers):
            raise IdentityServerError(UNREADABLE, "the sign-in server compresses its answer")
        response = httpx.Response(answer.status, headers=_plain(answer.headers), content=body)
        if answer.status == _TOO_MANY or answer.status >= _SERVER_FAILED:
            error_code = THROTTLED if answer.status == _TOO_MANY else UNAVAILABLE
            raise IdentityServerError(error_code, f"the sign-in server answers {answer.status}", pause=_pause(response))
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.aclose()


async def _read(answer: httpcore.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_stream():
        body += part
        if len(body) > MAX_BYTES:
            raise IdentityServerError(UNREADABLE, "the sign-in server's answer is too long")
    return bytes(body)


def _plain(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return headers without those that describe how the body travelled: it was read whole."""
    return [(name, value) for name, value in headers if name.lower() not in {b"transfer-encoding", b"content-length"}]


def _pause(response: httpx.Response) -> float:
    """Return the seconds that ``Retry-After`` asks for (RFC 9110 section 10.2.3); a date counts as none."""
    value = response.headers.get("retry-after", "")
    return float(min(int(value), _LONGEST_PAUSE)) if value.isascii() and value.isdecimal() else 0.0

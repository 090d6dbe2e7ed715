"""From a SCIM request to a response: the token, limits, the resource, and errors as the protocol wants them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus

import orjson
from prometheus_client import Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from schemas.addresses import InvalidAddressError
from schemas.errors import NotReadyError
from services.console.scim import discovery, groups, users
from services.console.scim.protocol import BASE, ScimAnswer, ScimError, ScimRequest, read_body, read_query
from services.console.web.headers import protect
from services.console.web.request_context import Console, client_of
from services.runtime.failures import DatabaseError, describe, trace
from services.store import AlreadyExistsError, NotAllowedError, NotFoundError

ScimHandler = Callable[[ScimRequest], Awaitable[ScimAnswer]]
MOST, WITHIN = 30, timedelta(minutes=15)
"""At most so many requests with a wrong token by one client within this time are told that it is wrong."""
MOST_WAITING, _AT_ONCE = 200, 4
"""At most so many requests at a time, and of those answered at once: pages come first."""
_MOST_TOKEN = 200
RESOURCES: dict[str, dict[str, ScimHandler]] = {
    "/Users": {"GET": users.index, "POST": users.add},
    "/Users/{identifier}": {
        "GET": users.show,
        "PUT": users.replace,
        "PATCH": users.patch,
        "DELETE": users.remove,
    },
    "/Groups": {"GET": groups.index, "POST": groups.add},
    "/Groups/{identifier}": {
        "GET": groups.show,
        "PUT": groups.replace,
        "PATCH": groups.patch,
        "DELETE": groups.remove,
    },
    "/ServiceProviderConfig": {"GET": discovery.provider},
    "/ResourceTypes": {"GET": discovery.resource_types},
    "/ResourceTypes/{identifier}": {"GET": discovery.resource_types},
    "/Schemas": {"GET": discovery.schemas},
    "/Schemas/{identifier}": {"GET": discovery.schemas},
    "/{rest:path}": {},
}
_WITH_BODY = {"POST", "PUT", "PATCH"}


class ScimServer:
    """Answers the requests of an identity provider."""

    def __init__(self, console: Console, requests: Histogram) -> None:
        self._console = console
        self._requests = requests
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def routes(self) -> list[Route]:
        """Return the routes."""
        routes = [
            Route(f"{BASE}{path}", self._endpoint(f"{BASE}{path}", handlers)) for path, handlers in RESOURCES.items()
        ]
        for route in routes:
            route.methods = None  # all: those that a resource lacks are refused in the protocol's form
        return routes

    def _endpoint(self, path: str, handlers: dict[str, ScimHandler]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            started = time.perf_counter()
            response = await self._respond(request, handlers)
            protect(response, self._console.settings, framed=False)
            seconds = time.perf_counter() - started
            self._requests.labels(path, str(response.status_code)).observe(seconds)
            self._console.log.debug("answered", page=path, status=response.status_code, seconds=round(seconds, 4))
            return response

        return respond

    async def _respond(self, request: Request, handlers: dict[str, ScimHandler]) -> Response:
        headers: dict[str, str] = {}
        try:
            await self._authenticate(request)
            answer = await self._in_turn(request, handlers)
        except Exception as error:  # noqa: BLE001 - the client always gets an answer, and no address reaches the log
            refusal, headers = self._refusal(error)
            if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
                headers = {"Allow": ", ".join(sorted(handlers))}
            answer = ScimAnswer(refusal.status, refusal.body())
        if answer.status == HTTPStatus.CREATED and answer.body is not None and "meta" in answer.body:
            headers["Location"] = answer.body["meta"]["location"]
        content = b"" if answer.body is None else orjson.dumps(answer.body)
        return Response(content, answer.status, headers, "application/scim+json" if content else None)

    async def _authenticate(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip()
        store = self._console.store
        if kind.lower() == "bearer" and 0 < len(token) <= _MOST_TOKEN and await store.scim_tokens.is_valid(token):
            return
        if not await store.sign_ins.attempt(f"scim/{client_of(request)}", most=MOST, within=WITHIN):
            raise ScimError(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests without a valid token.")
        raise ScimError(HTTPStatus.UNAUTHORIZED, "The bearer token is missing or not valid.")

    async def _in_turn(self, request: Request, handlers: dict[str, ScimHandler]) -> ScimAnswer:
        if self._waiting >= MOST_WAITING:
            raise ScimError(HTTPStatus.TOO_MANY_REQUESTS, "Too many requests at a time.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._handle(request, handlers)
        finally:
            self._waiting -= 1

    async def _handle(self, request: Request, handlers: dict[str, ScimHandler]) -> ScimAnswer:
        handler = handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            raise ScimError(405, "This resource has no such method.") if handlers else NotFoundError("no such path")
        query = read_query(request.url.query)
        body = await read_body(request) if request.method in _WITH_BODY else {}
        console = self._console
        return await handler(ScimRequest(console.store, console.settings, console.revoker, request, query, body))

    def _refusal(self, error: Exception) -> tuple[ScimError, dict[str, str]]:
        """Return what the client learns of an error, and the headers that go with it."""
        log = self._console.log
        match error:
            case ScimError():
                refusal = error
            case NotFoundError():
                refusal = ScimError(404, "There is no such resource.")
            case AlreadyExistsError():
                refusal = ScimError(409, "There is one of this name already.", "uniqueness")
            case NotAllowedError():
                refusal = ScimError(403, str(error))
            case InvalidAddressError():
                refusal = ScimError(400, "This is not an email address.", "invalidValue")
            case DatabaseError() | NotReadyError() | TimeoutError():
                refusal = ScimError(503, "A server is not responding. Try again in a minute.")
                log.error("a server is not responding", error=describe(error))
            case ClientDisconnect():
                refusal = ScimError(400, "The request ended early.")
            case _:
                refusal = ScimError(500, "Something went wrong on the server. The error was logged.")
                log.error("a page failed", error=describe(error), trace=trace(error))
        headers = {
            HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="Leadmail SCIM"'},
            HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "60"},
            HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "60"},
        }
        return refusal, headers.get(HTTPStatus(refusal.status), {})

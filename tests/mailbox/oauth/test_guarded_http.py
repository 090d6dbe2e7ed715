"""HTTP to identity servers: only to checked addresses, bounded, and never to a server that is not verified."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from pydantic import SecretStr

from services.mailbox.connection import ConnectPolicy, NetGuard
from services.mailbox.connection.policy import Timeouts
from services.mailbox.connection.tls import client_context
from services.mailbox.oauth.client import OAuthClient
from services.mailbox.oauth.endpoints import Endpoints, OAuthApp
from services.mailbox.oauth.errors import IdentityServerError
from services.mailbox.oauth.guarded_http import MAX_BYTES
from services.mailbox.providers import directory

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = (ip_network("127.0.0.0/8"),)


def client(*addresses: str, allow: bool = True, plaintext: bool = True) -> OAuthClient:
    """Return a client whose guard resolves every name to these addresses."""
    guard = NetGuard(allow=LOOPBACK if allow else (), resolve=lambda _: addresses)
    policy = ConnectPolicy(guard, client_context(), Timeouts(connect=2.0), plaintext)
    return OAuthClient(OAuthApp(endpoints=Endpoints(issuer="https://id.example"), client_id="x"), policy)


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """Answer every connection so; yields the URL under a name that only the guard resolves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://id.example:{server.sockets[0].getsockname()[1]}/x"


def said(body: bytes, head: str = "", status: str = "200 OK") -> Answer:
    """Return an answer with this body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\n{head}\r\n".encode() + body)

    return answer


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"access_token": "a", "expires_in": ["x"]}',
        b'{"access_token": "a", "expires_in": 1e999}',
    ],
)
async def test_an_answer_that_is_no_token(body: bytes) -> None:
    """It is refused as what it is, and is no defect of ours."""
    async with served(said(body, "Content-Type: application/json\r\n")) as url:
        asked = client("127.0.0.1")
        asked.app = asked.app.model_copy(update={"endpoints": Endpoints(token=url)})
        with pytest.raises(IdentityServerError, match="unreadable-answer"):
            await asked.refresh(SecretStr("old"))


async def test_tokens_that_last_for_ever() -> None:
    """A refresh token that was rotated is not lost because no calendar has the day on which the access token expires."""
    body = b'{"access_token": "a", "refresh_token": "new", "expires_in": 99999999999999}'
    async with served(said(body, "Content-Type: application/json\r\n")) as url:
        asked = client("127.0.0.1")
        asked.app = asked.app.model_copy(update={"endpoints": Endpoints(token=url)})
        tokens = await asked.refresh(SecretStr("old"))
    assert (tokens.refresh_token, tokens.expires_at is not None) == (SecretStr("new"), True)


async def test_the_connection_goes_to_the_checked_address() -> None:
    """The name is resolved by the guard and by nothing else; an address that does not answer is passed over."""
    async with served(said(b'{"a": 1}')) as url:
        assert await client("127.0.0.3", "127.0.0.1").get_json(url) == {"a": 1}


async def test_a_private_address_is_refused() -> None:
    """No request leaves where one of the addresses is not public."""
    reached = False

    async def note(_: asyncio.StreamWriter) -> None:
        nonlocal reached
        reached = True

    async with served(note) as url:
        with pytest.raises(IdentityServerError, match="not-public"):
            await client("127.0.0.1", "1.1.1.1", allow=False).get_json(url)
    assert not reached


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (said(b'{"a": "' + b"x" * MAX_BYTES + b'"}'), "too long"),
        (said(gzip.compress(b"{}"), "Content-Encoding: gzip\r\n"), "compresses"),
        (said(b"[]"), "no JSON object"),
        (said(b"<html>"), "no JSON object"),
        (said(b"{}", "Location: https://1.1.1.1/\r\n", "302 Found"), "answers 302"),
        (said(b"", status="503 No"), "answers 503"),
    ],
)
async def test_a_wrong_answer_is_refused(answer: Answer, why: str) -> None:
    """Answers are bounded and never followed elsewhere."""
    async with served(answer) as url:
        with pytest.raises(IdentityServerError, match=why):
            await client("127.0.0.1").get_json(url)


async def test_a_dripping_answer_ends() -> None:
    """The time is for the whole answer."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)

    async with served(drip) as url:
        with pytest.raises(IdentityServerError, match="timed-out"):
            await client("127.0.0.1").get_json(url)


async def test_tokens_never_travel_in_plain_text() -> None:
    """Without the operator's permission for tests, only https is spoken."""
    async with served(said(b"{}")) as url:
        with pytest.raises(IdentityServerError, match="insecure"):
            await client("127.0.0.1", plaintext=False).get_json(url)


async def test_another_issuers_document_is_refused() -> None:
    """The configuration document must be the issuer's own."""
    with pytest.raises(IdentityServerError, match="does not describe"):
        Endpoints.published({"issuer": "https://evil.example", "token_endpoint": "x"}, "https://id.example")


def test_the_directory_names_whole_services() -> None:
    """Every provider's sign-in exists, and every sign-in has what it needs, over TLS."""
    known = directory()
    assert (
        {one.sign_in for one in known.by_key.values() if one.sign_in} == set(known.sign_ins) == {"google", "microsoft"}
    )
    for one in known.sign_ins.values():
        assert known.by_key[one.provider].sign_in == one.key
        for url in (one.authorization, one.token, one.keys):
            assert url.startswith("https://")
    for provider in known.by_key.values():
        assert not provider.sign_in or "oauth2" in provider.auth

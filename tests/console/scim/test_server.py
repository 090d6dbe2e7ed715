"""Who may use SCIM, what the server says of itself, and what it withstands."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from pymongo.errors import ServerSelectionTimeoutError

from services.console.scim import protocol, server
from tests.console.fixtures import ANN, BOB, URL, Office
from tests.console.scim.conftest import TOKEN, IdentityProvider, path_of

PATHS = (
    "/Users",
    "/Users/x",
    "/Groups",
    "/Groups/x",
    "/ServiceProviderConfig",
    "/ResourceTypes",
    "/Schemas",
    "/x",
    "/",
)


def stranger(office: Office, token: str | None, client: str = "198.51.100.9") -> httpx.AsyncClient:
    """Return a client with some token."""
    headers = {} if token is None else {"authorization": token}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(office.app, client=(client, 1)), base_url=URL, headers=headers
    )


NO_TOKENS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    f"Basic {TOKEN}",
    TOKEN,
    f"Bearer {TOKEN}x",
    f"Bearer {TOKEN[:-1]}",
    "Bearer " + "x" * 9000,
]


async def test_without_a_token_everything_is_the_same(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is asked, the answer is one and tells nothing: not whether a user exists, nor which paths do."""
    monkeypatch.setattr(server, "MOST", 1_000)
    for token in NO_TOKENS:
        async with stranger(provider.office, token) as client:
            answers = [await client.get(f"/scim/v2{path}") for path in (*PATHS, path_of(BOB))]
            answers.append(await client.post("/scim/v2/Users", content=b"{"))
        assert {(one.status_code, one.text, one.headers["www-authenticate"]) for one in answers} == {
            (401, answers[0].text, 'Bearer realm="Leadmail SCIM"')
        }


async def test_a_session_of_the_console_is_no_token(provider: IdentityProvider) -> None:
    """An administrator's cookie opens nothing here, so that no other site can use it; and a token opens no page."""
    browser = await provider.office.signed_in(ANN)
    assert (await browser.client.get("/scim/v2/Users")).status_code == 401
    assert (await provider.client.get("/operations")).status_code == 303


async def test_revoking_and_replacing(provider: IdentityProvider) -> None:
    """A second token works beside the first; a revoked one is refused at once; what is stored lets no one in."""
    tokens = provider.office.console.store.scim_tokens
    second = await tokens.add("second", by="operator")
    (first,) = [one for one in await tokens.get_all() if one.id != second.id]
    async with stranger(provider.office, "Bearer second") as client:
        assert (await client.get("/scim/v2/Users")).status_code == 200
        await tokens.revoke(first.id, by="operator")
        await provider.send("GET", "/Users", status=401)
        assert (await client.get("/scim/v2/Users")).status_code == 200
    (stored,) = await provider.office.life.database["scim_tokens"].find().to_list()
    assert "second" not in str(stored)
    assert stored["used_at"]
    async with stranger(provider.office, f"Bearer {stored['_id']}") as client:
        assert (await client.get("/scim/v2/Users")).status_code == 401


async def test_guessing_is_slowed_down(provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that tries many tokens has to wait; one with the right token does not, even beside it."""
    monkeypatch.setattr(server, "MOST", 2)
    async with stranger(provider.office, "Bearer x") as client, stranger(provider.office, f"Bearer {TOKEN}") as right:
        answers = [await client.get("/scim/v2/Users") for _ in range(3)]
        assert [one.status_code for one in answers] == [401, 401, 429]
        assert answers[-1].headers["retry-after"]
        assert (await right.get("/scim/v2/Users")).status_code == 200


async def test_discovery(provider: IdentityProvider) -> None:
    """The server says what it supports, and describes the attributes that resources have."""
    config = await provider.send("GET", "/ServiceProviderConfig")
    assert (config["patch"]["supported"], config["filter"]["supported"], config["bulk"]["supported"]) == (
        True,
        True,
        False,
    )
    kinds = await provider.send("GET", "/ResourceTypes")
    assert {one["endpoint"]: one["schema"].rpartition(":")[2] for one in kinds["Resources"]} == {
        "/Users": "User", "/Groups": "Group",
    }  # fmt: skip
    schemas = await provider.send("GET", "/Schemas")
    for schema in schemas["Resources"]:
        assert await provider.send("GET", f"/Schemas/{schema['id']}") == schema
    described = {one["name"] for one in schemas["Resources"][0]["attributes"]}
    user = await provider.send("GET", path_of(ANN))
    assert set(user) - {"schemas", "id", "externalId", "meta"} <= described
    assert await provider.send("GET", "/ResourceTypes/User") == kinds["Resources"][0]
    await provider.send("GET", "/Schemas/urn:none", status=404)


MALFORMED = [
    ("POST", "/Users", b"{", "application/scim+json", 400),
    ("POST", "/Users", b"\xff", "application/json", 400),
    ("POST", "/Users", b"[" * 100_000, "application/scim+json", 400),
    ("POST", "/Users", b"null", "application/scim+json; charset=utf-8", 400),
    ("POST", "/Users", b"a=b", "application/x-www-form-urlencoded", 415),
    ("POST", "/Users", b" " * (protocol.MOST_BYTES + 1), "application/scim+json", 413),
    ("DELETE", "/Users", b"", "", 405),
    ("POST", "/ServiceProviderConfig", b"{}", "application/scim+json", 405),
    ("GET", "/Nothing", b"", "", 404),
    ("POST", "/Bulk", b"{}", "application/scim+json", 404),
    ("GET", "/", b"", "", 404),
]


async def test_malformed_requests(provider: IdentityProvider) -> None:
    """Each is refused in the protocol's form, as the client's mistake."""
    for method, path, content, kind, status in MALFORMED:
        headers = {"content-type": kind} if kind else {}
        answer = await provider.client.request(method, f"/scim/v2{path}", content=content, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (status, str(status))
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "page failed" not in provider.office.log.getvalue()


async def test_a_database_that_is_down(provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider is asked to come back; a defect of ours tells it nothing."""
    users = provider.office.console.store.users

    async def down() -> None:
        raise ServerSelectionTimeoutError("secret-host:27017")

    async def broken() -> None:
        raise RuntimeError("secret detail")

    for failure, status in ((down, 503), (broken, 500)):
        monkeypatch.setattr(users, "get_all", failure)
        answer = await provider.client.get("/scim/v2/Users")
        assert (answer.status_code, "secret" in answer.text) == (status, False)


async def test_a_flood_leaves_the_pages_free(provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """More requests at a time than the limit are refused, the others are answered."""
    monkeypatch.setattr(server, "MOST_WAITING", 3)
    browser = await provider.office.signed_in(ANN)
    *answers, page = await asyncio.gather(
        *(provider.client.get("/scim/v2/Users") for _ in range(30)), browser.get("/mailboxes")
    )
    statuses: dict[int, Any] = {status: [one for one in answers if one.status_code == status] for status in (200, 429)}
    assert all(statuses.values())
    assert sum(map(len, statuses.values())) == len(answers)
    assert page.status_code == 200


async def test_the_log_has_no_personal_data(provider: IdentityProvider) -> None:
    """No address, name, id or token, whether a request works or fails."""
    body = {"userName": "canary@firm.example", "displayName": "Canary Jones"}
    made = await provider.send("POST", "/Users", body, status=201)
    await provider.send("POST", "/Users", body, status=409)
    await provider.send("GET", '/Users?filter=userName eq "canary@firm.example"')
    await provider.send("DELETE", f"/Users/{made['id']}", status=204)
    log = provider.office.log.getvalue()
    assert "/scim/v2/Users/{identifier}" in log
    for canary in ("canary@", "Canary", made["id"], TOKEN):
        assert canary not in log

"""Every SCIM request with wrong input: the protocol's error in words for people, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import orjson
import pytest

from services.console.scim.protocol import CORE, MESSAGES, MOST_BYTES
from services.console.scim.server import RESOURCES
from services.console.scim.users import identifier_of
from tests.cli.terminal.test_wrong_values import FOREIGN
from tests.console.fixtures import BOB
from tests.console.scim.conftest import IdentityProvider, path_of

SCIM = "application/scim+json"
USER: dict[str, Any] = {"schemas": [f"{CORE}:User"], "userName": "new@firm.example"}
GROUP: dict[str, Any] = {"schemas": [f"{CORE}:Group"], "displayName": "Sales"}
TYPES: tuple[Any, ...] = (7, 1.5, True, [], ["x"], {}, {"x": 1}, "x" * 257, "x" * 100_000)
NAMES = {
    "Users": ("userName", "displayName", "externalId", "active", "name"),
    "Groups": ("displayName", "externalId", "members"),
}
RIGHT: dict[str, Any] = {"active": True, "members": [], "name": {}}
"""The value of ``TYPES`` that an attribute takes."""
RAW = {
    "nothing": b"",
    "no JSON": b"{",
    "two values": b"{}{}",
    "a comment": b"{/**/}",
    "single quotes": b"{'userName': 'a@firm.example'}",
    "not a number": b'{"userName": NaN}',
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "Latin-1": '{"userName": "new@firm.example", "displayName": "J\u00f6rg"}'.encode("latin-1"),
    "UTF-16": orjson.dumps(USER).decode().encode("utf-16"),
    "half a character": b'{"userName": "new@firm.example", "displayName": "\\ud800"}',
    "a bare NUL": b'{"userName": "new@firm.example", "displayName": "\x00"}',
    "deep": b'{"userName": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep, but read": b'{"userName": "new@firm.example", "displayName": "x", "x": ' + b"[" * 900 + b"]" * 900 + b"}",
    "a long number": b'{"userName": "new@firm.example", "displayName": ' + b"1" * 5_000 + b"}",
    "too long": b'{"userName": "' + b"x" * MOST_BYTES + b'"}',
    "a name twice": b'{"userName": "new@firm.example", "userName": "other@firm.example", "displayName": "x"}',
    "a name in two spellings": b'{"userName": "new@firm.example", "displayName": "x", "DISPLAYNAME": "y"}',
    "a name twice inside": b'{"userName": "new@firm.example", "displayName": "x", "name": {"formatted": "x", "formatted": "y"}}',
}
TAKEN = {"deep, but read"}
KINDS = ("", "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data", "application")
OPERATIONS: tuple[Any, ...] = (
    None,
    "x",
    {},
    [],
    [None],
    ["x"],
    [[]],
    [{}],
    [{"op": None}],
    [{"op": "x", "path": "displayName", "value": "x"}],
    [{"op": 7, "path": "displayName", "value": "x"}],
    [{"op": ["add"], "path": "displayName", "value": "x"}],
    [{"op": "add"}],
    [{"op": "add", "value": "x"}],
    [{"op": "add", "path": 7, "value": "x"}],
    [{"op": "add", "path": {}, "value": "x"}],
    [{"op": "add", "path": "a b", "value": "x"}],
    [{"op": "add", "path": "display\x00Name", "value": "x"}],
    [{"op": "add", "path": "x" * 100_000 + "[", "value": "x"}],
    [{"op": "add", "path": "members[" * 1_000, "value": "x"}],
    [{"op": "remove"}],
    [{"op": "remove", "path": ""}],
    [{"op": "replace", "path": "displayName", "value": "x"}] * 1_001,
    # The first one is right: all of them are refused.
    [{"op": "replace", "path": "displayName", "value": "right"}, {"op": "x"}],
)
QUERIES = (
    'filter=userName sw "a"',
    "filter=userName",
    "filter=%00",
    "filter=" + "(" * 900,
    'filter=userName eq "\\ud800"',
    'filter=password eq "a"',
    # Cut at its end, it would find everyone of this name.
    'filter=userName eq "bob@firm.example"' + " " * 1_000 + 'and externalId eq "x"',
    'filter=userName eq "bob@firm.example"&filter=userName eq "x"',
    "excludedAttributes=" + "x," * 600 + "userName",
    "startIndex=x",
    "startIndex=1&startIndex=2",
    "count=1e9",
    "count=99999999999",
    "count=-",
    "&".join(f"a{n}=1" for n in range(50)),
)
IDENTIFIERS = (
    *("x", "%00", "%FF", "%2e%2e", "..%2fUsers", "\u00e9", "%F0%9F%98%80", "x" * 5_000, "%20", "$ne", '{"$ne":1}'),
    *(identifier_of(one) for one in ("nobody@firm.example", "nobody", "a\x00@firm.example", BOB.upper())),
    identifier_of(BOB) + "=",
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW")


class Wrong(NamedTuple):
    """A request that has to be refused."""

    name: str
    method: str
    path: str
    content: bytes = b""
    kind: str = SCIM


def _bodies(right: dict[str, Any] | None, name: str, value: Any) -> list[dict[str, Any]]:
    """Return a resource with a value, or, for a PATCH, the operations that set it."""
    if right is not None:
        return [{**right, name: value}]
    return [
        {"Operations": [one]}
        for one in ({"op": "replace", "path": name, "value": value}, {"op": "add", "value": {name: value}})
    ]


def wrong_bodies(users: str, group: str) -> Iterator[Wrong]:
    """Iterate over requests with wrong bodies, to each resource that takes one."""
    bob = {**USER, "userName": BOB}  # an address cannot change
    targets: list[tuple[str, str, dict[str, Any] | None]] = [
        *(("POST", "/Users", USER), ("PUT", users, bob), ("PATCH", users, None)),
        *(("POST", "/Groups", GROUP), ("PUT", group, GROUP), ("PATCH", group, None)),
    ]
    for method, path, right in targets:
        valid = orjson.dumps(right or {"Operations": [{"op": "replace", "path": "displayName", "value": "x"}]})
        yield from (Wrong(kind, method, path, valid, kind) for kind in KINDS)
        for name, content in RAW.items():
            mine = content.replace(b"new@firm.example", BOB.encode()) if right is bob else content
            yield from [Wrong(name, method, path, mine)] if name not in TAKEN else []
        for name, value in _wrong_values(path):
            for body in _bodies(right, name, value):
                yield Wrong(f"{name}: {value!r:.40}", method, path, orjson.dumps(body))
        for label, wrong in [("nothing named", {}), ("null", dict.fromkeys(right or ()))] if method == "POST" else []:
            yield Wrong(label, method, path, orjson.dumps(wrong))
    for path in (users, group):
        for operations in OPERATIONS:
            yield Wrong(f"{operations!r:.60}", "PATCH", path, orjson.dumps({"Operations": operations}))
        yield Wrong("no operations", "PATCH", path, b"{}")


def _wrong_values(path: str) -> list[tuple[str, Any]]:
    return [
        (name, value)
        for name in NAMES[path.split("/")[1]]
        for value in TYPES
        if name not in RIGHT or (type(value), value) != (type(RIGHT[name]), RIGHT[name])
    ]


async def written(provider: IdentityProvider) -> list[Any]:
    """Return all that SCIM may write."""
    database = provider.office.life.database
    names = ("users", "groups", "accounts", "audit")
    return [await database[name].find().sort("_id").to_list() for name in names]


def wrong_with(answer: httpx.Response) -> str:
    """Say what is wrong with a refusal; nothing if it is a SCIM error that a person understands."""
    if not 400 <= answer.status_code < 500:
        return f"status {answer.status_code}"
    if answer.headers["content-type"] != SCIM:
        return f"a body of {answer.headers['content-type']}"
    body = answer.json()
    if body["schemas"] != [f"{MESSAGES}:Error"] or body["status"] != str(answer.status_code):
        return f"another form: {body}"
    understood = re.fullmatch(r"[^\x00-\x1f]{10,160}\.", body["detail"]) and not FOREIGN.search(body["detail"])
    return "" if understood else f"its words: {body['detail']!r:.200}"


async def findings(provider: IdentityProvider, requests: Iterator[Wrong]) -> dict[str, str]:
    """Send requests; return what is wrong with the answers."""
    found: dict[str, str] = {}
    count, before = 0, await written(provider)
    for one in requests:
        headers = {"content-type": one.kind} if one.kind else {}
        answer = await provider.client.request(
            one.method, f"/scim/v2{one.path}", content=one.content or None, headers=headers
        )
        count += 1
        if why := wrong_with(answer):
            found[f"{one.method} {one.path[:20]} {one.name[:80]}"] = why
        elif one.method != "GET" and (now := await written(provider)) != before:
            found[f"{one.method} {one.path[:20]} {one.name[:80]}"] = "something was written"
            before = now
    assert count > 20
    return found


@pytest.fixture
async def group(provider: IdentityProvider) -> str:
    """The path of a group."""
    return f"/Groups/{(await provider.send('POST', '/Groups', {'displayName': 'Before'}, status=201))['id']}"


async def test_bodies(provider: IdentityProvider, group: str) -> None:
    """Each resource that takes a body: no JSON, another type, too long, too deep, a name twice, half an operation."""
    assert await findings(provider, wrong_bodies(path_of(BOB), group)) == {}
    log = provider.office.log.getvalue()
    assert "page failed" not in log
    deep = RAW["deep, but read"].replace(b"new@firm.example", BOB.encode())
    answer = await provider.client.put(f"/scim/v2{path_of(BOB)}", content=deep, headers={"content-type": SCIM})
    assert answer.status_code == 200, "an attribute that Leadmail does not know"


async def test_queries_and_paths(provider: IdentityProvider) -> None:
    """A query that is not understood as a whole finds nobody, and no spelling of an id but its own one finds anybody."""
    queries = (Wrong(query, "GET", f"/{kind}?{query}") for kind in NAMES for query in QUERIES)
    assert await findings(provider, queries) == {}
    paths = (
        Wrong(one, method, f"/{kind}/{one}", b"{}")
        for kind in (*NAMES, "Schemas", "ResourceTypes", "Bulk", "x")
        for one in IDENTIFIERS
        for method in ("GET", "PUT", "DELETE")
    )
    assert await findings(provider, paths) == {}
    assert "page failed" not in provider.office.log.getvalue()


async def test_methods(provider: IdentityProvider) -> None:
    """A method that a resource lacks is refused with the list of those that it has (RFC 9110 section 15.5.6)."""
    for path, handlers in RESOURCES.items():
        for method in METHODS:
            if method in handlers:
                continue
            where = f"/scim/v2{path.replace('{identifier}', 'User').replace('{rest:path}', 'x')}"
            answer = await provider.client.request(method, where)
            assert answer.status_code == (405 if handlers else 404), (method, where)
            assert wrong_with(answer) == "", (method, where)
            assert answer.headers.get("allow") == (", ".join(sorted(handlers)) or None)

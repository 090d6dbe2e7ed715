"""Every page with wrong parameters, queries and bodies: a page in words for people, and nothing is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from services.console.app import PAGES
from services.console.web.forms import MOST_BYTES
from tests.cli.terminal.test_wrong_values import FOREIGN
from tests.console.fixtures import ANN, BOB, Office, text_of, token_of

PARTS = ("x", "%00", "%FF", "..%2f..", "\u00e9", "x" * 5_000, "9" * 40, "-1", "%20", '{"$ne":1}', "a\u202eb@c")
FIELDS = (
    *(
        "address",
        "service",
        "account",
        "flash",
        "to",
        "q",
        "mode",
        "domains",
        "page",
        "before",
        "start",
        "kind",
        "state",
    ),
    *("code", "error", "iss", "images", "thread", "by", "action", "subject", "viewer", "record", "link", "pending"),
)
QUERIES = (
    *("x", "%00", "%FF", "=&=&", "&".join(f"a{n}=1" for n in range(200))),
    *(
        "&".join(f"{name}={value}" for name in FIELDS)
        for value in ("", "x", "%00", "-1", "9" * 40, "%F0%9F%98%80", "x" * 1_500)
    ),
    *(
        "&".join(f"{name}={value}" for name in FIELDS)
        for value in ("2020-13-45", "http://[", "a@b@c", "%7B%22$ne%22:1%7D")
    ),
)
FORM = "application/x-www-form-urlencoded"
BODIES = {
    "nothing": (b"", FORM),
    "no token": (b"do=save", FORM),
    "no content type": (b"do=save", ""),
    "JSON": (b'{"do": "save"}', "application/json"),
    "multipart": (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    "too long": (b"x=" + b"x" * MOST_BYTES, FORM),
    "far too long": (b"x=" + b"x" * 6_000_000, FORM),
    "no UTF-8": (b"do=save&x=\xff", FORM),
    "escaped no UTF-8": (b"do=save&x=%FF", FORM),
    "too many fields": (b"x=1&" * 6_000, FORM),
}
VALUES = ("", "x", "\x00", "-1", "9" * 40, "x" * 5_000, "a@b@c", "http://[", "\u202e\U0001f600", '{"$ne": 1}')
NAMES = (
    *("address", "service", "provider", "mode", "domains", "shared", "members", "member", "more", "code", "password"),
    *("imap_host", "imap_port", "imap_tls", "imap_user", "smtp_host", "smtp_port", "smtp_tls", "smtp_user"),
    *(
        "folder",
        "confirm",
        "fate",
        "heir",
        "what",
        "version",
        "default",
        "allowed",
        "domain",
        "email",
        "pending",
        "table",
    ),
)
BUTTONS = (
    "",
    "x",
    "find",
    "save",
    "preview",
    "send",
    "code",
    "add",
    "remove",
    "unbind",
    "purge",
    "drop",
    "replay",
    "by-rule",
)
ANY_FORM = {"/sign-out", "/mailboxes/{account}/folders", "/mail/{email}/delete"}
"""There is nothing wrong to type here: they are buttons."""


def paths(path: str, real: dict[str, str]) -> Iterator[str]:
    """Iterate over the paths of a page: each parameter in turn wrong, the others right."""
    right = re.sub(r":\w+\}", "}", path)
    for wrong in re.findall(r"\{(\w+)\}", right):
        yield from (right.format(**{**real, wrong: part}) for part in PARTS)
    yield right.format(**real)


@pytest.fixture
async def real(office: Office) -> dict[str, str]:
    """A right value of each parameter, as a path has it."""
    email = await office.life.database["emails"].find_one({"subject": "Subject shared"})
    record = office.life.refs["R1"]
    return {
        "account": office.life.boxes[ANN],
        "email": quote(str(email["_id"]) if email else "", safe=""),
        "kind": str(record.kind),
        "record": quote(str(record.id), safe=""),
        "user": BOB,
        "number": "0",
        **dict.fromkeys(("link", "service", "dead_letter"), "x"),
    }


def wrong_with(answer: Any, office: Office) -> str:
    """Say what is wrong with an answer to a wrong request."""
    if answer.status_code >= 500:
        return f"{answer.status_code}: {text_of(answer.text)[:200]}"
    words = FOREIGN.search(text_of(answer.text)) if answer.status_code >= 400 else None
    return f"its words: {words[0]}" if words else ""


async def written(office: Office) -> list[Any]:
    """Return all that forms may write; not what counts attempts."""
    names = ("users", "accounts", "company", "audit", "emails", "withdrawals", "deleted")
    return [await office.life.database[name].find().sort("_id").to_list() for name in names]


async def test_reading(office: Office, real: dict[str, str]) -> None:
    """Each page with each of its parameters wrong, and with every wrong query."""
    browser, found, before = await office.signed_in(ANN), {}, await written(office)
    for page in PAGES:
        queries = [f"{path}?{query}" for path in list(paths(page.path, real))[-1:] for query in QUERIES]
        for path in [*paths(page.path, real), *queries] if page.get else ():
            answer = await browser.get(path)
            if why := wrong_with(answer, office):
                found[path[:120]] = why
    assert found == {}
    assert await written(office) == before
    assert "page failed" not in office.log.getvalue()


async def test_submitting(office: Office, real: dict[str, str]) -> None:
    """Each form with a body that is none, and each with fields that no form of ours sends."""
    browser, found = await office.signed_in(ANN), {}
    await browser.get("/mailboxes/connect")
    token, before = token_of(browser.last), await written(office)
    for page in PAGES:
        (*wrong, path) = paths(page.path, real) if page.post else [""]
        if not path or page.path in ANY_FORM:
            continue
        for name, (content, kind) in BODIES.items():
            answer = await browser.client.post(path, content=content, headers={"content-type": kind} if kind else {})
            if not 400 <= answer.status_code < 500 or wrong_with(answer, office):
                found[f"{path} {name}"] = f"{answer.status_code} {wrong_with(answer, office)}"
        fields = [{"do": do, **dict.fromkeys(NAMES, value)} for do in BUTTONS for value in VALUES][::3]
        for one, data in [*((path, each) for each in fields), *((each, fields[0]) for each in wrong)]:
            answer = await browser.client.post(one, data={**data, "token": token})
            if why := wrong_with(answer, office):
                found[f"{one[:80]} {data['do']} {data['address'][:20]!r}"] = why
        if (now := await written(office)) != before:
            found[path], before = "something was written", now
    assert found == {}
    assert "page failed" not in office.log.getvalue()

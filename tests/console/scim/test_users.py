"""Users: created, found, changed and locked out, as Entra and Okta send it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas.accounts import AccountState, User
from services.store import NotFoundError
from tests.console.fixtures import ANN, BOB, EVE, ZOE
from tests.console.scim.conftest import IdentityProvider, path_of

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ENTRA = {
    "schemas": [USER, ENTERPRISE],
    "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
    "userName": "Ida@Firm.example",
    "active": True,
    "displayName": "Ida Holm",
    "emails": [{"primary": True, "type": "work", "value": "ida@firm.example"}],
    "meta": {"resourceType": "User"},
    "name": {"formatted": "Ida Holm", "familyName": "Holm", "givenName": "Ida"},
    "roles": [],
    f"{ENTERPRISE}": {"department": "Sales"},
}
OKTA = {
    "schemas": [USER],
    "userName": "ole@firm.example",
    "name": {"givenName": "Ole", "familyName": "Dahl"},
    "emails": [{"primary": True, "value": "ole@firm.example", "type": "work"}],
    "displayName": "Ole Dahl",
    "locale": "en-US",
    "externalId": "00ujl29u0le5T6Aj10h7",
    "groups": [],
    "password": "1mz050nq",
    "active": True,
}
DEACTIVATIONS: dict[str, tuple[Any, ...]] = {
    "Entra": ({"op": "Replace", "path": "active", "value": "False"},),
    "Entra, by the standard": ({"op": "replace", "path": "active", "value": False},),
    "Entra, with other changes": (
        {"op": "Add", "path": 'emails[type eq "work"].value', "value": "b@firm.example"},
        {"op": "Replace", "value": {"active": "False", "name.givenName": "B", f"{ENTERPRISE}:department": "X"}},
        {"op": "Replace", "path": f"{ENTERPRISE}:manager", "value": {"value": "x"}},
    ),
    "Okta": ({"op": "replace", "value": {"active": False}},),
    "with the schema's name": ({"op": "replace", "path": f"{USER}:active", "value": False},),
}


async def user(provider: IdentityProvider, email: str) -> User:
    """Return a user as stored."""
    return await provider.office.console.store.users.get(email)


@pytest.mark.parametrize("body", [ENTRA, OKTA], ids=["Entra", "Okta"])
async def test_provisioning(provider: IdentityProvider, body: dict[str, Any]) -> None:
    """It looks for the user first, creates them, and reads them again; they can sign in, and nothing else is stored."""
    name = body["userName"]
    query = f"/Users?filter=userName+eq+%22{name.replace('@', '%40')}%22&startIndex=1&count=100"
    assert (await provider.send("GET", query))["totalResults"] == 0
    made = await provider.send("POST", "/Users", body, status=201)
    assert (made["userName"], made["active"], made["displayName"]) == (name.lower(), True, body["displayName"])
    assert (made["externalId"], made["schemas"]) == (body["externalId"], [USER])
    assert made["meta"]["location"].endswith(f"/scim/v2/Users/{made['id']}")
    assert (await provider.send("GET", f"/Users/{made['id']}")) == made
    found = await provider.send("GET", query)
    assert (found["totalResults"], found["Resources"]) == (1, [made])
    refused = await provider.send("POST", "/Users", body, status=409)
    assert (refused["scimType"], refused["status"]) == ("uniqueness", "409")
    await provider.office.signed_in(name.lower())
    documents = str(await provider.office.life.database["users"].find().to_list())
    assert "1mz050nq" not in documents
    entries = await provider.office.console.store.audit.newest(subject=f"user:{name.lower()}", action="user")
    assert [(one.action, one.by) for one in entries] == [("user.add", "scim")]


async def test_a_leaver(provider: IdentityProvider) -> None:
    """Sessions and links end at once, mailboxes pause; activating them again resumes the mailboxes, but no session."""
    for operations in DEACTIVATIONS.values():
        office, store = provider.office, provider.office.console.store
        browser, link = await office.signed_in(BOB), await office.link(BOB)
        answer = await provider.patch(path_of(BOB), *operations)
        assert answer["active"] is False
        assert (await browser.get("/mailboxes")).status_code == 401
        assert (await office.browser().get(link)).status_code == 404
        box = office.life.boxes[BOB]
        assert (await store.accounts.get(box)).state is AccountState.PAUSED
        assert (await user(provider, BOB)).disabled
        for path in (path_of(BOB), f'/Users?filter=userName eq "{BOB}"'):
            assert '"active":false' in str((await provider.client.get(f"/scim/v2{path}")).content.decode())
        await provider.patch(path_of(BOB), {"op": "Replace", "path": "active", "value": "True"})
        assert (await store.accounts.get(box)).state is AccountState.ACTIVE
        assert (await browser.get("/mailboxes")).status_code == 401
        entries = await store.audit.newest(subject=f"user:{BOB}", by="scim", limit=2)
        assert [one.action for one in entries] == ["user.enable", "user.disable"]


async def test_a_request_that_was_cut_short_is_finished_by_the_next(provider: IdentityProvider) -> None:
    """The provider repeats what it got no answer for: then mailboxes pause, and resume, although the user is so already."""
    store, box = provider.office.console.store, provider.office.life.boxes[BOB]
    for active, state in ((False, AccountState.PAUSED), (True, AccountState.ACTIVE)):
        await provider.office.life.database["users"].update_one({"_id": BOB}, {"$set": {"disabled": not active}})
        assert (await store.accounts.get(box)).state is not state
        await provider.patch(path_of(BOB), {"op": "replace", "value": {"active": active}})
        assert (await store.accounts.get(box)).state is state


async def test_deleting_pauses_by_default(provider: IdentityProvider) -> None:
    """Nothing is lost: the user is locked out and still there."""
    browser = await provider.office.signed_in(BOB)
    await provider.send("DELETE", path_of(BOB), status=204)
    assert (await browser.get("/mailboxes")).status_code == 401
    assert (await provider.send("GET", path_of(BOB)))["active"] is False


@pytest.mark.parametrize("then", ["disconnect", EVE])
async def test_deleting_as_the_operator_decided(provider: IdentityProvider, then: str) -> None:
    """The mailboxes are disconnected, or another user gets them; the user is gone, also from their groups."""
    store = provider.office.console.store
    provider.use(scim_deleted=then)
    member = {"value": path_of(BOB).rpartition("/")[2]}
    group = await provider.send("POST", "/Groups", {"displayName": "Sales", "members": [member]}, status=201)
    browser = await provider.office.signed_in(BOB)
    await provider.send("DELETE", path_of(BOB), status=204)
    assert (await browser.get("/mailboxes")).status_code == 401
    await provider.send("GET", path_of(BOB), status=404)
    await provider.send("DELETE", path_of(BOB), status=404)
    account = await store.accounts.get(provider.office.life.boxes[BOB])
    expected = (BOB, AccountState.DISCONNECTED) if then == "disconnect" else (EVE, AccountState.ACTIVE)
    assert (account.owner, account.state) == expected
    assert (await provider.send("GET", f"/Groups/{group['id']}"))["members"] == []
    again = await provider.send("POST", "/Users", {"userName": BOB}, status=201)
    assert (again["active"], again["emails"][0]["value"]) == (True, BOB)


async def test_an_heir_who_is_gone_keeps_no_one_in(provider: IdentityProvider) -> None:
    """The provider learns that the mailboxes could not be handed over; the leaver is locked out all the same."""
    provider.use(scim_deleted="gone@firm.example")
    browser = await provider.office.signed_in(BOB)
    refused = await provider.send("DELETE", path_of(BOB), status=403)
    assert "LEADMAIL_SCIM_DELETED" in refused["detail"]
    assert (await browser.get("/mailboxes")).status_code == 401
    assert (await user(provider, BOB)).disabled


async def test_the_last_administrator_stays(provider: IdentityProvider) -> None:
    """A mistake at the identity provider locks no company out of its own console."""
    answer = await provider.patch(path_of(ANN), {"op": "replace", "value": {"active": False}}, status=403)
    assert "last administrator" in answer["detail"]
    await provider.send("DELETE", path_of(ANN), status=403)
    assert not (await user(provider, ANN)).disabled


NAMES: list[tuple[dict[str, Any], str]] = [
    ({"displayName": "Z. Berg"}, "Z. Berg"),
    ({"name": {"givenName": "Zoe", "familyName": "Berg"}}, "Zoe Berg"),
    ({"name": {"formatted": "Zoe Berg", "familyName": "Berg"}}, "Zoe Berg"),
    ({"name": {"givenName": "Zoe"}}, "Before"),
    ({"displayName": None}, ""),
    ({"nickName": "Z", "unknown": [1]}, "Before"),
    ({"displayName": "a\nb\u202ec"}, "a b c"),
]


async def test_names(provider: IdentityProvider) -> None:
    """Names come by PUT and by PATCH; what is not mentioned, or only half a name, changes nothing."""
    for changes, name in NAMES:
        for send in ("PUT", "PATCH"):
            await provider.office.console.store.users.set_profile(ZOE, name="Before", external_id=None, by=ANN)
            if send == "PUT":
                await provider.send("PUT", path_of(ZOE), {"schemas": [USER], "userName": ZOE, **changes})
            else:
                await provider.patch(path_of(ZOE), {"op": "replace", "value": changes})
            found = await user(provider, ZOE)
            assert " ".join(found.name.split()) == name
            assert not found.disabled, "PUT without active locks no one out"


WRONG_BODIES = [
    ("POST", {"schemas": [USER]}, "invalidValue"),
    ("POST", {"userName": "no-address"}, "invalidValue"),
    ("POST", {"userName": ["a@firm.example"]}, "invalidValue"),
    ("POST", {"userName": "n@firm.example", "displayName": 7}, "invalidValue"),
    ("POST", {"userName": "n@firm.example", "displayName": "x" * 300}, "invalidValue"),
    ("POST", {"userName": "n@firm.example", "active": "maybe"}, "invalidValue"),
    ("PUT", {"userName": "other@firm.example"}, "mutability"),
    ("PATCH", {"Operations": [{"op": "replace", "path": "userName", "value": "x@firm.example"}]}, "mutability"),
    ("PATCH", {"Operations": [{"op": "remove", "path": "userName"}]}, "mutability"),
    ("PATCH", {"Operations": [{"op": "remove", "path": "active"}]}, "invalidValue"),
    ("PATCH", {"Operations": [{"op": "replace", "path": "active", "value": None}]}, "invalidValue"),
    ("PATCH", {"Operations": [{"op": "remove"}]}, "noTarget"),
    ("PATCH", {"Operations": [{"op": "move", "path": "active"}]}, "invalidSyntax"),
    ("PATCH", {"Operations": [{"op": "replace", "path": "a[b", "value": 1}]}, "invalidPath"),
    ("PATCH", {"Operations": [{"op": "replace", "path": 7, "value": 1}]}, "invalidPath"),
    ("PATCH", {"Operations": [{"op": "replace", "value": [1]}]}, "invalidSyntax"),
    ("PATCH", {"Operations": ["x"]}, "invalidSyntax"),
    ("PATCH", {"Operations": []}, "invalidSyntax"),
    ("PATCH", {"Operations": [{"op": "add", "path": "x", "value": 1}] * 1001}, "invalidSyntax"),
    ("PATCH", {}, "invalidSyntax"),
    ("PATCH", ["x"], "invalidSyntax"),
]


async def test_wrong_bodies(provider: IdentityProvider) -> None:
    """Each mistake has the status and the word that the protocol has for it, and changes nothing."""
    for method, body, kind in WRONG_BODIES:
        before = await provider.office.life.database["users"].find().to_list()
        path = "/Users" if method == "POST" else path_of(BOB)
        answer = await provider.send(method, path, body, status=400)
        assert answer["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
        assert (answer["scimType"], answer["status"]) == (kind, "400"), body
        assert await provider.office.life.database["users"].find().to_list() == before
        assert "page failed" not in provider.office.log.getvalue()


LISTS = [
    ("", 4),
    ("?filter=", 4),
    (f'?filter=USERNAME EQ "{ANN.upper()}"', 1),
    (f'?filter=urn:ietf:params:scim:schemas:core:2.0:User:userName eq "{ANN}"', 1),
    (f'?filter=emails[type eq "work"].value eq "{ANN}"', 1),
    (f'?filter=emails.value eq "{ANN}" and active eq true', 1),
    (f'?filter=userName eq "{ANN}" and active eq false', 0),
    (f'?filter=userName eq "{ANN}" and userName eq "{BOB}"', 0),
    ('?filter=userName eq "nobody"', 0),
    ('?filter=externalId eq ""', 4),
    ("?filter=active eq true&count=0", 4),
    ("?startIndex=3&count=1", 4),
    ("?startIndex=-1&count=-1", 4),
    ("?startIndex=99", 4),
]


async def test_lists(provider: IdentityProvider) -> None:
    """Filters and pages: the total counts all that fit."""
    for query, found in LISTS:
        assert (await provider.send("GET", f"/Users{query}"))["totalResults"] == found


WRONG_QUERIES = [
    'filter=userName sw "a"',
    "filter=userName",
    'filter=userName eq "a" and',
    'filter=userName eq "a" or active eq true',
    'filter=password eq "a"',
    'filter=userName eq "\\x"',
    "filter=(" + "(" * 500,
    "startIndex=x",
    "count=1e9",
    "count=99999999999",
    "&".join(f"a{n}=1" for n in range(50)),
]


async def test_wrong_queries(provider: IdentityProvider) -> None:
    """What is not supported is refused: a filter that is ignored would show other users."""
    for query in WRONG_QUERIES:
        answer = await provider.send("GET", f"/Users?{query}", status=400)
        assert answer["scimType"] in ("invalidFilter", "invalidValue")


async def test_pages(provider: IdentityProvider) -> None:
    """Every user is on exactly one page; attributes can be chosen, and the id is always there."""
    seen = []
    for start in range(1, 6):
        page = await provider.send("GET", f"/Users?startIndex={start}&count=1&attributes=userName")
        assert (page["startIndex"], page["itemsPerPage"]) == (start, len(page["Resources"]))
        seen += page["Resources"]
    assert [one["userName"] for one in seen] == sorted((ANN, BOB, EVE, ZOE))
    assert all(set(one) == {"schemas", "id", "userName"} for one in seen)
    less = await provider.send("GET", f"{path_of(ANN)}?excludedAttributes=emails,urn:x:name,id")
    assert "emails" not in less
    assert less["id"]


NO_IDS = ["x", "%00", "é", "YW5u", "QW5uQEZpcm0uZXhhbXBsZQ", "%2e%2e%2fUsers", "a" * 3000]


async def test_ids_that_do_not_exist(provider: IdentityProvider) -> None:
    """They are not found, in whatever form."""
    for identifier in NO_IDS:
        await provider.send("GET", f"/Users/{identifier}", status=404)
        await provider.patch(f"/Users/{identifier}", {"op": "replace", "value": {"active": False}}, status=404)


async def test_concurrent_creation(provider: IdentityProvider) -> None:
    """Of several requests for one user, one creates them."""
    body = {"userName": "new@firm.example"}
    answers = await asyncio.gather(*(provider.client.post("/scim/v2/Users", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


async def test_created_inactive(provider: IdentityProvider) -> None:
    """A user who is created inactive cannot sign in."""
    await provider.send("POST", "/Users", {"userName": "new@firm.example", "active": False}, status=201)
    with pytest.raises(NotFoundError):
        await provider.office.link("new@firm.example")

"""Groups and their members, as Entra and Okta send them; one group's members are administrators."""

from __future__ import annotations

import asyncio
from typing import Any

from services.console.scim.users import identifier_of
from tests.console.fixtures import ANN, BOB, EVE, ZOE
from tests.console.scim.conftest import IdentityProvider

ADMINS = "Leadmail administrators"


def members(*emails: str) -> list[dict[str, Any]]:
    """Return members as Entra sends them."""
    return [{"$ref": None, "value": identifier_of(email)} for email in emails]


async def made(provider: IdentityProvider, *emails: str, name: str = ADMINS) -> str:
    """Create a group and return its path."""
    group = await provider.send("POST", "/Groups", {"displayName": name, "members": members(*emails)}, status=201)
    return f"/Groups/{group['id']}"


async def named(provider: IdentityProvider, path: str) -> set[str]:
    """Return the members of a group."""
    return {one["display"] for one in (await provider.send("GET", path))["members"]}


async def administrators(provider: IdentityProvider) -> set[str]:
    """Return who is an administrator."""
    return {one.email for one in await provider.office.console.store.users.get_all() if one.admin}


OPERATIONS: dict[str, tuple[Any, set[str]]] = {
    "Entra adds": ({"op": "Add", "path": "members", "value": members(EVE, ZOE)}, {BOB, EVE, ZOE}),
    "Entra removes": ({"op": "Remove", "path": "members", "value": members(BOB)}, set()),
    "Okta adds": (
        {"op": "add", "path": "members", "value": [{"value": identifier_of(EVE), "display": EVE}]},
        {BOB, EVE},
    ),
    "Okta removes": ({"op": "remove", "path": f'members[value eq "{identifier_of(BOB)}"]'}, set()),
    "Okta replaces": ({"op": "replace", "path": "members", "value": [{"value": identifier_of(ZOE)}]}, {ZOE}),
    "without a path": ({"op": "add", "value": {"members": members(EVE)}}, {BOB, EVE}),
    "one, not in a list": ({"op": "add", "path": "members", "value": members(EVE)[0]}, {BOB, EVE}),
    "all": ({"op": "remove", "path": "members"}, set()),
    "again": ({"op": "add", "path": "members", "value": members(BOB)}, {BOB}),
    "a stranger to the group": ({"op": "remove", "path": "members", "value": members(ZOE)}, {BOB}),
}


async def test_members(provider: IdentityProvider) -> None:
    """Each form of a change has the members that it means, and the administrators' group gives and takes the rights."""
    for operation, expected in OPERATIONS.values():
        provider.use(scim_admin_group=ADMINS.upper())
        path = await made(provider, BOB)
        assert await administrators(provider) == {ANN, BOB}, operation
        browser = await provider.office.signed_in(BOB)
        await browser.shows("/operations")
        await provider.patch(path, operation, status=204)
        assert await named(provider, path) == expected, operation
        assert await administrators(provider) == {ANN, *expected}
        assert (await browser.get("/operations")).status_code == (200 if BOB in expected else 404)
        await provider.send("DELETE", path, status=204)


async def test_only_the_named_group_gives_rights(provider: IdentityProvider) -> None:
    """Without the setting no group does; with it, a group that gets or loses the name, or is removed, changes the rights."""
    path = await made(provider, BOB)
    assert await administrators(provider) == {ANN}
    provider.use(scim_admin_group=ADMINS)
    other = await made(provider, EVE, name="Sales")
    assert await administrators(provider) == {ANN}
    await provider.patch(
        path, {"op": "replace", "value": {"id": path.rpartition("/")[2], "displayName": "Old"}}, status=204
    )
    await provider.patch(other, {"op": "Replace", "path": "displayName", "value": ADMINS}, status=204)
    assert await administrators(provider) == {ANN, EVE}
    await provider.send("DELETE", other, status=204)
    assert await administrators(provider) == {ANN}
    await provider.send("GET", other, status=404)
    entries = await provider.office.console.store.audit.newest(action="user.admin", by="scim")
    assert [(one.subject, one.details["after"]) for one in entries] == [(f"user:{EVE}", False), (f"user:{EVE}", True)]


async def test_rights_follow_when_the_group_is_named_later(provider: IdentityProvider) -> None:
    """The next change of the group makes all of its members administrators."""
    path = await made(provider, BOB)
    provider.use(scim_admin_group=ADMINS)
    await provider.patch(path, {"op": "add", "path": "members", "value": members(BOB)}, status=204)
    assert await administrators(provider) == {ANN, BOB}


async def test_one_administrator_stays(provider: IdentityProvider) -> None:
    """A group that loses all of its members leaves the last administrator the rights."""
    provider.use(scim_admin_group=ADMINS)
    path = await made(provider, ANN, BOB)
    await provider.patch(path, {"op": "remove", "path": "members"}, status=204)
    assert await named(provider, path) == set()
    assert await administrators(provider) == {BOB}


async def test_finding_and_replacing(provider: IdentityProvider) -> None:
    """Groups are found by name and member, read without their members, replaced, and have unique names."""
    path = await made(provider, BOB, name='Sa"les')
    await made(provider, name="Support")
    body = {"displayName": 'sa"LES', "members": []}
    assert (await provider.send("POST", "/Groups", body, status=409))["scimType"] == "uniqueness"
    refused = await provider.patch(path, {"op": "replace", "value": {"displayName": "support"}}, status=409)
    assert refused["scimType"] == "uniqueness"
    for query, found in (
        (r'filter=displayName eq "SA\"LES"&excludedAttributes=members', 1),
        (f'filter=members.value eq "{identifier_of(BOB)}"', 1),
        (f'filter=members eq "{identifier_of(BOB).swapcase()}"', 0),
        (f'filter=id eq "{path.rpartition("/")[2]}" and members eq "{identifier_of(EVE)}"', 0),
        ("count=1", 2),
    ):
        assert (await provider.send("GET", f"/Groups?{query}"))["totalResults"] == found, query
    assert "members" not in await provider.send("GET", f"{path}?excludedAttributes=members")
    put = {"displayName": "Sales", "externalId": "g1", "members": [{"value": identifier_of(ZOE)}]}
    answer = await provider.send("PUT", path, put)
    assert (answer["displayName"], answer["externalId"], [one["display"] for one in answer["members"]]) == (
        "Sales", "g1", [ZOE],
    )  # fmt: skip
    assert (await provider.send("PUT", path, {"displayName": "Sales"}))["members"], "not mentioned, not changed"


async def test_concurrent_members(provider: IdentityProvider) -> None:
    """No member is lost when requests for one group arrive at once."""
    path = await made(provider)
    everyone = (ANN, BOB, EVE, ZOE)
    adding = [{"op": "Add", "path": "members", "value": members(email)} for email in everyone]
    await asyncio.gather(*(provider.patch(path, one, status=204) for one in adding))
    assert await named(provider, path) == set(everyone)


WRONG_BODIES = [
    ("POST", {"members": []}, "invalidValue"),
    ("POST", {"displayName": "G", "members": [{"value": "x"}]}, "invalidValue"),
    ("POST", {"displayName": "G", "members": [{"value": 7}]}, "invalidValue"),
    ("POST", {"displayName": "G", "members": [[]]}, "invalidValue"),
    (
        "PATCH",
        {"Operations": [{"op": "add", "path": "members", "value": members("no@firm.example")}]},
        "invalidValue",
    ),
    ("PATCH", {"Operations": [{"op": "remove", "path": "displayName"}]}, "invalidValue"),
    ("PATCH", {"Operations": [{"op": "remove", "path": 'members[display eq "x"]'}]}, "invalidPath"),
    ("PATCH", {"Operations": [{"op": "remove", "path": 'members[value eq "x" or value eq "y"]'}]}, "invalidPath"),
]


async def test_wrong_bodies(provider: IdentityProvider) -> None:
    """Each mistake has the word that the protocol has for it, and changes nothing."""
    path = await made(provider, BOB, name="Sales")
    for method, body, kind in WRONG_BODIES:
        before = await provider.office.life.database["groups"].find().to_list()
        answer = await provider.send(method, "/Groups" if method == "POST" else path, body, status=400)
        assert answer["scimType"] == kind, body
        assert await provider.office.life.database["groups"].find().to_list() == before

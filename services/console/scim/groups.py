"""Groups and their members. Only the administrators' group (``LEADMAIL_SCIM_ADMIN_GROUP``) gives rights."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import UTC
from http import HTTPStatus
from typing import Any

from services.console.scim.filters import Texts, fits, read_filter
from services.console.scim.paths import AttributeChange, of_patch, of_resource
from services.console.scim.protocol import CORE, JsonObject, ScimAnswer, ScimError, ScimRequest, chosen, page, read_text
from services.console.scim.users import email_of, identifier_of
from services.store import ProvisionedGroup, now
from services.usecases.provisioning import SCIM

SCHEMA = f"{CORE}:Group"


async def index(request: ScimRequest) -> ScimAnswer:
    """List groups, sorted by name."""
    conditions = read_filter(request.query.secret("filter"))
    fits(conditions, _texts(None))  # an unknown attribute is refused, whatever there is
    groups = await request.store.groups.get_all()
    found = [group for group in groups if fits(conditions, _texts(group))]
    return page(found, request.query, lambda group: _resource(group, request))


async def show(request: ScimRequest) -> ScimAnswer:
    """Return a group."""
    return _answer(await request.store.groups.get(request.identifier), request)


async def add(request: ScimRequest) -> ScimAnswer:
    """Add a group."""
    changes = of_resource(request.body)
    await _require_users(changes, request)
    made = changed(ProvisionedGroup(id=str(uuid.uuid4()), name="", created_at=now()), changes)
    await request.store.groups.add(made, administrators=request.settings.scim_admin_group, by=SCIM)
    return _answer(made, request, HTTPStatus.CREATED)


async def replace(request: ScimRequest) -> ScimAnswer:
    """Replace a group. What the body does not mention stays as it is."""
    return _answer(await _change(request, of_resource(request.body)), request)


async def patch(request: ScimRequest) -> ScimAnswer:
    """Change a group. The response has no body: a group may be large."""
    await _change(request, of_patch(request.body))
    return ScimAnswer(HTTPStatus.NO_CONTENT)


async def _change(request: ScimRequest, changes: list[AttributeChange]) -> ProvisionedGroup:
    await request.store.groups.get(request.identifier)
    await _require_users(changes, request)
    return await request.store.groups.change(
        request.identifier,
        lambda group: changed(group, changes),
        administrators=request.settings.scim_admin_group,
        by=SCIM,
    )


async def remove(request: ScimRequest) -> ScimAnswer:
    """Remove a group."""
    await request.store.groups.remove(request.identifier, administrators=request.settings.scim_admin_group, by=SCIM)
    return ScimAnswer(HTTPStatus.NO_CONTENT)


def changed(group: ProvisionedGroup, changes: Iterable[AttributeChange]) -> ProvisionedGroup:
    """Return a group after changes. Attributes that Leadmail does not have are ignored.

    Raises:
        ScimError: a value is wrong.
    """
    name, external, members = group.name, group.external_id, set(group.members)
    for change in changes:
        removes = change.operation == "remove"
        match change.attribute:
            case "displayname":
                name = "" if removes else read_text("displayName", change.value)
            case "externalid":
                external = "" if removes else read_text("externalId", change.value)
            case "members" if removes:
                members -= _named(change, members)
            case "members":
                members = _named(change, ()) | (members if change.operation == "add" else set())
    if not name:
        raise ScimError(400, "A group needs a displayName.", "invalidValue")
    return group.model_copy(update={"name": name, "external_id": external, "members": tuple(sorted(members))})


def _named(change: AttributeChange, everyone: Collection[str]) -> set[str]:
    """Return the members that a change names: by its path, by its value, or, to remove without either, ``everyone``."""
    if change.selected is not None:
        return {email_of(change.selected)}
    if change.value is None:
        return set(everyone)
    values: list[Any] = change.value if isinstance(change.value, list) else [change.value]
    ids = [one.get("value") if isinstance(one, dict) else one for one in values]
    texts = [one for one in ids if isinstance(one, str)]
    if len(texts) < len(ids):
        raise ScimError(400, "Members have to be objects with the id of a user as value.", "invalidValue")
    return {email_of(one) for one in texts}


async def _require_users(changes: Iterable[AttributeChange], request: ScimRequest) -> None:
    """Refuse members who are no users.

    Raises:
        ScimError: there is one.
    """
    added = [one for one in changes if one.attribute == "members" and one.operation != "remove"]
    named = {email for change in added for email in _named(change, ())}
    if await request.store.colleagues.no_users(named):
        raise ScimError(400, "A member is no user: add the user first.", "invalidValue")


def _answer(group: ProvisionedGroup, request: ScimRequest, status: int = HTTPStatus.OK) -> ScimAnswer:
    return ScimAnswer(status, chosen(_resource(group, request), request.query))


def _resource(group: ProvisionedGroup, request: ScimRequest) -> JsonObject:
    return {
        "schemas": [SCHEMA],
        "id": group.id,
        **({"externalId": group.external_id} if group.external_id else {}),
        "displayName": group.name,
        "members": [
            {"value": one, "display": email, "$ref": request.location("Users", one)}
            for email in group.members
            for one in [identifier_of(email)]
        ],
        "meta": {
            "resourceType": "Group",
            "created": group.created_at.astimezone(UTC).isoformat(timespec="seconds"),
            "location": request.location("Groups", group.id),
        },
    }


def _texts(group: ProvisionedGroup | None) -> Texts:
    """Return what groups can be filtered by."""
    members = tuple(identifier_of(email) for email in group.members) if group else ()
    return {
        "id": (group.id if group else "",),
        "displayname": (group.name if group else "",),
        "externalid": (group.external_id if group else "",),
        **dict.fromkeys(("members", "members.value"), members),
    }

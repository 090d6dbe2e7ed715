"""Users: ``userName`` is the address by which Leadmail knows them, for good; ``active`` says whether they may come in."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC
from http import HTTPStatus

from schemas.accounts import User
from schemas.addresses import InvalidAddressError, normal_address
from services.console.scim.filters import Texts, fits, read_filter
from services.console.scim.paths import AttributeChange, of_patch, of_resource
from services.console.scim.protocol import (
    CORE,
    JsonObject,
    ScimAnswer,
    ScimError,
    ScimRequest,
    chosen,
    fields_of,
    page,
    read_flag,
    read_text,
)
from services.store import NotFoundError, Store
from services.usecases import provisioning
from services.usecases.provisioning import UserPatch

SCHEMA = f"{CORE}:User"


async def index(request: ScimRequest) -> ScimAnswer:
    """List users, sorted by address."""
    conditions = read_filter(request.query.secret("filter"))
    fits(conditions, _texts(None))  # an unknown attribute is refused, whoever there is
    names = {value for attribute, value in conditions if attribute == "username"}
    users = await _named(request.store, names) if names else await request.store.users.get_all()
    found = [user for user in users if fits(conditions, _texts(user))]
    return page(found, request.query, lambda user: _resource(user, request))


async def _named(store: Store, names: set[str]) -> list[User]:
    try:
        return [await store.users.get(name) for name in names]
    except NotFoundError:
        return []


async def show(request: ScimRequest) -> ScimAnswer:
    """Return a user."""
    return _answer(await _user(request), request)


async def add(request: ScimRequest) -> ScimAnswer:
    """Add a user."""
    changes = of_resource(request.body)
    named = [change.value for change in changes if change.attribute == "username"]
    email = _address(named[0] if named else None)
    return _answer(await provisioning.add(request.store, email, read_patch(changes)), request, HTTPStatus.CREATED)


async def replace(request: ScimRequest) -> ScimAnswer:
    """Replace a user. What the body does not mention stays as it is."""
    return await _change(request, of_resource(request.body))


async def patch(request: ScimRequest) -> ScimAnswer:
    """Change a user."""
    return await _change(request, of_patch(request.body))


async def _change(request: ScimRequest, changes: list[AttributeChange]) -> ScimAnswer:
    user = await _user(request)
    for change in changes:
        if change.attribute == "username" and (change.operation == "remove" or _address(change.value) != user.email):
            raise ScimError(
                400, "A user's address cannot change: add a user with the new one, and delete this one.", "mutability"
            )
    return _answer(await provisioning.change(request.store, user, read_patch(changes)), request)


async def remove(request: ScimRequest) -> ScimAnswer:
    """Let a user leave."""
    user = await _user(request)
    await provisioning.remove(request.store, user.email, request.settings.scim_deleted, revoker=request.revoker)
    return ScimAnswer(HTTPStatus.NO_CONTENT)


def read_patch(changes: Iterable[AttributeChange]) -> UserPatch:
    """Return what changes mean for a user. Attributes that Leadmail does not have are ignored, as RFC 7644 allows.

    Raises:
        ScimError: a value is wrong.
    """
    names: dict[str, str] = {}
    external = active = None
    for change in changes:
        value = None if change.operation == "remove" else change.value
        match change.attribute:
            case "active":
                active = read_flag("active", value)
            case "externalid":
                external = read_text("externalId", value)
            case "name":
                parts = {} if value is None else fields_of(value, "name")
                names |= {f"name.{key.lower()}": read_text(f"name.{key}", part) for key, part in parts.items()}
            case "displayname" | "name.formatted" | "name.givenname" | "name.familyname":
                names[change.attribute] = read_text(change.attribute, value)
    whole = names.get("displayname") or names.get("name.formatted")
    if not whole and {"name.givenname", "name.familyname"} <= names.keys():
        whole = f"{names['name.givenname']} {names['name.familyname']}".strip()
    return UserPatch(names.get("displayname") if whole is None else whole, external, active)


def _address(value: object) -> str:
    try:
        return normal_address(value if isinstance(value, str) else "")
    except InvalidAddressError:
        raise ScimError(
            400, "userName has to be the user's email address: map it to the attribute that holds it.", "invalidValue"
        ) from None


def identifier_of(email: str) -> str:
    """Return the id of a user: their address, which never changes, in a form that fits into a path."""
    return base64.urlsafe_b64encode(email.encode()).decode().rstrip("=")


def email_of(identifier: str) -> str:
    """Return the address of a user by their id; empty if it is no id."""
    try:
        email = base64.b64decode(identifier + "=" * (-len(identifier) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        return ""
    return email if identifier_of(email) == identifier else ""


async def _user(request: ScimRequest) -> User:
    email = email_of(request.identifier)
    user = await request.store.users.get(email)
    if user.email != email:  # another spelling of the address is another id
        raise NotFoundError("there is no such user")
    return user


def _answer(user: User, request: ScimRequest, status: int = HTTPStatus.OK) -> ScimAnswer:
    return ScimAnswer(status, chosen(_resource(user, request), request.query))


def _resource(user: User, request: ScimRequest) -> JsonObject:
    identifier = identifier_of(user.email)
    named = {"displayName": user.name, "name": {"formatted": user.name}} if user.name else {}
    return {
        "schemas": [SCHEMA],
        "id": identifier,
        **({"externalId": user.external_id} if user.external_id else {}),
        "userName": user.email,
        **named,
        "emails": [{"value": user.email, "type": "work", "primary": True}],
        "active": not user.disabled,
        "meta": {
            "resourceType": "User",
            "created": user.created_at.astimezone(UTC).isoformat(timespec="seconds"),
            "location": request.location("Users", identifier),
        },
    }


def _texts(user: User | None) -> Texts:
    """Return what users can be filtered by."""
    email = user.email if user else ""
    values = {
        "username": email,
        "id": identifier_of(email),
        "externalid": user.external_id if user else "",
        "displayname": user.name if user else "",
        "active": str(not user.disabled).lower() if user else "",
    }
    mails = dict.fromkeys(("emails", "emails.value"), (email,))
    return {**{name: (value,) for name, value in values.items()}, **mails}

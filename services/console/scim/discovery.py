"""What this server supports (RFC 7644 section 4): the provider's configuration, the kinds of resources, and their attributes."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from services.console.scim import groups, users
from services.console.scim.protocol import (
    BASE,
    MOST_BYTES,
    MOST_RESULTS,
    JsonObject,
    ScimAnswer,
    ScimRequest,
    page,
)
from services.store import NotFoundError

_META = "urn:ietf:params:scim:schemas:core:2.0"


def _attribute(name: str, kind: str = "string", **more: Any) -> JsonObject:
    usual = {"multiValued": False, "required": False, "caseExact": False, "mutability": "readWrite"}
    return {
        "name": name,
        "type": kind,
        **usual,
        "returned": "default",
        "uniqueness": "none",
        "description": name,
        **more,
    }


_VALUE = _attribute("value", mutability="immutable", caseExact=True)
_PARTS, _TAKEN = ("givenName", "familyName"), {"mutability": "writeOnly", "returned": "never"}
"""Read if they come without the whole name, and not kept."""
_USER = [
    _attribute("userName", required=True, uniqueness="server", mutability="immutable", description="The email address"),
    _attribute("displayName", description="How the user is called"),
    _attribute(
        "name", "complex", subAttributes=[_attribute("formatted"), *(_attribute(part, **_TAKEN) for part in _PARTS)]
    ),
    _attribute(
        *("emails", "complex"),
        multiValued=True,
        mutability="readOnly",
        subAttributes=[_attribute("value"), _attribute("type"), _attribute("primary", "boolean")],
        description="The same address as userName",
    ),
    _attribute("active", "boolean", description="False locks the user out and pauses their mailboxes"),
]
_GROUP = [
    _attribute("displayName", required=True, uniqueness="server", description="The group's name"),
    _attribute(
        *("members", "complex"),
        multiValued=True,
        subAttributes=[
            _VALUE,
            _attribute("display", mutability="readOnly"),
            _attribute("$ref", "reference", referenceTypes=["User"]),
        ],
        description="Users",
    ),
]
_KINDS = {"User": (users.SCHEMA, "Users", _USER), "Group": (groups.SCHEMA, "Groups", _GROUP)}


async def provider(_: ScimRequest) -> ScimAnswer:
    """Return what the protocol's options are here."""
    no: JsonObject = {"supported": False}
    bearer = {
        "type": "oauthbearertoken",
        "name": "Bearer token",
        "description": "A token that `leadmail scim token` makes",
        "primary": True,
    }
    body = {
        "schemas": [f"{_META}:ServiceProviderConfig"],
        "patch": {"supported": True},
        "bulk": {**no, "maxOperations": 0, "maxPayloadSize": MOST_BYTES},
        "filter": {"supported": True, "maxResults": MOST_RESULTS},
        "changePassword": no,
        "sort": no,
        "etag": no,
        "authenticationSchemes": [bearer],
        "meta": {"resourceType": "ServiceProviderConfig"},
    }
    return ScimAnswer(HTTPStatus.OK, body)


async def resource_types(request: ScimRequest) -> ScimAnswer:
    """Return the kinds of resources."""
    return _listed([_resource_type(name) for name in _KINDS], request)


async def schemas(request: ScimRequest) -> ScimAnswer:
    """Return the attributes of each kind."""
    return _listed([_schema(name) for name in _KINDS], request)


def _listed(found: list[JsonObject], request: ScimRequest) -> ScimAnswer:
    if "identifier" not in request.request.path_params:
        return page(found, request.query, lambda one: one)
    one = [each for each in found if each["id"] == request.identifier]
    if not one:
        raise NotFoundError("there is no such description")
    return ScimAnswer(HTTPStatus.OK, one[0])


def _resource_type(name: str) -> JsonObject:
    schema, place, _ = _KINDS[name]
    meta = {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/{name}"}
    return {
        "schemas": [f"{_META}:ResourceType"],
        "id": name,
        "name": name,
        "endpoint": f"/{place}",
        "schema": schema,
        "meta": meta,
    }


def _schema(name: str) -> JsonObject:
    schema, _, attributes = _KINDS[name]
    meta = {"resourceType": "Schema", "location": f"{BASE}/Schemas/{schema}"}
    return {
        "schemas": [f"{_META}:Schema"],
        "id": schema,
        "name": name,
        "description": name,
        "attributes": attributes,
        "meta": meta,
    }

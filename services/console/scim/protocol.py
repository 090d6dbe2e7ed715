"""What all resources share: errors, bodies, values, paging and the choice of attributes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request

from schemas.errors import LeadmailError
from services.console.web.forms import MOST_TEXT, Form
from services.mailbox.outgoing_mail import one_line
from services.settings import ConsoleSettings
from services.store import Store
from services.usecases.connecting.token_revoker import TokenRevoker

T = TypeVar("T")

JsonObject = dict[str, Any]
ScimType = Literal[
    "invalidFilter", "invalidPath", "invalidSyntax", "invalidValue", "mutability", "noTarget", "uniqueness"
]

BASE = "/scim/v2"
CORE, MESSAGES = "urn:ietf:params:scim:schemas:core:2.0", "urn:ietf:params:scim:api:messages:2.0"
MOST_BYTES = 1024 * 1024
MOST_RESULTS = 200
_MOST_TEXT = 256
_KINDS = {"application/json", "application/scim+json"}


class ScimError(LeadmailError):
    """A request is refused (RFC 7644 section 3.12)."""

    def __init__(self, status: int, detail: str, kind: ScimType | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.kind = kind

    def body(self) -> JsonObject:
        """Return the body of the response."""
        kind = {"scimType": self.kind} if self.kind else {}
        return {"schemas": [f"{MESSAGES}:Error"], **kind, "detail": self.detail, "status": str(self.status)}


@dataclass(frozen=True, slots=True)
class ScimRequest:
    """One authenticated request."""

    store: Store
    settings: ConsoleSettings
    revoker: TokenRevoker
    request: Request
    query: Form
    body: JsonObject
    """Empty if the method has none."""

    @property
    def identifier(self) -> str:
        """The id in the path."""
        return str(self.request.path_params["identifier"])

    def location(self, kind: str, identifier: str) -> str:
        """Return the URL of a resource."""
        return f"{self.settings.console_url}{BASE}/{kind}/{identifier}"


@dataclass(frozen=True, slots=True)
class ScimAnswer:
    """A status and the body, if any."""

    status: int
    body: JsonObject | None = None


async def read_body(request: Request) -> JsonObject:
    """Return the JSON object of a request.

    Raises:
        ScimError: it is too large, or no JSON object.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in _KINDS:
        raise ScimError(415, "The body has to be application/scim+json.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise ScimError(413, f"The body is larger than {MOST_BYTES} bytes.")
    try:
        value = orjson.loads(body)
        json.loads(body, object_pairs_hook=_refuse_repeated, parse_int=str)  # longer ones than it takes
    except orjson.JSONDecodeError:
        raise ScimError(400, "The body is not JSON in UTF-8.", "invalidSyntax") from None
    except RecursionError:
        raise ScimError(400, "The body has too many levels.", "invalidSyntax") from None
    return fields_of(value, "The body")


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object that has a name twice, whatever its case (RFC 7643 section 2.1): which of the values is meant?"""
    names = {name.lower() for name, _ in pairs}
    if len(names) < len(pairs):
        raise ScimError(400, "An object of the body has the same name twice.", "invalidSyntax")


def read_query(text: str) -> Form:
    """Return the fields of a query.

    Raises:
        ScimError: there are too many, one is there twice, or one is too long: what is cut off a filter would find more.
    """
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise ScimError(400, "The query has too many fields.", "invalidValue") from None
    if any(len(values) > 1 for values in fields.values()):
        raise ScimError(400, "The query has the same field twice.", "invalidValue")
    if any(len(value) > MOST_TEXT for values in fields.values() for value in values):
        raise ScimError(400, f"A field of the query is longer than {MOST_TEXT} characters.", "invalidValue")
    return Form(fields)


def fields_of(value: object, what: str) -> JsonObject:
    """Return a JSON object.

    Raises:
        ScimError: it is something else.
    """
    if not isinstance(value, dict):
        raise ScimError(400, f"{what} has to be a JSON object.", "invalidSyntax")
    return value


def read_text(name: str, value: object) -> str:
    """Return a text as one line; empty for null.

    Raises:
        ScimError: it is no text, or too long.
    """
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _MOST_TEXT:
        raise ScimError(400, f"{name} has to be a text of at most {_MOST_TEXT} characters.", "invalidValue")
    return one_line(value)


def read_flag(name: str, value: object) -> bool:
    """Return a boolean. Entra sends it as a text.

    Raises:
        ScimError: it is no boolean.
    """
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise ScimError(400, f"{name} has to be true or false.", "invalidValue")


def chosen(resource: JsonObject, query: Form) -> JsonObject:
    """Return a resource with the attributes that the query asks for (``attributes``, ``excludedAttributes``)."""
    wanted, unwanted = (_names(query.text(name)) for name in ("attributes", "excludedAttributes"))
    always = {"schemas", "id"}
    return {
        name: value
        for name, value in resource.items()
        if name in always or ((not wanted or name.lower() in wanted) and name.lower() not in unwanted)
    }


def _names(text: str) -> set[str]:
    return {part.rpartition(":")[2].partition(".")[0].strip().lower() for part in text.split(",")} - {""}


def page(found: Sequence[T], query: Form, resource: Callable[[T], JsonObject]) -> ScimAnswer:
    """Return the part of a list that the query asks for (``startIndex`` from 1, ``count``), each as its ``resource``.

    Raises:
        ScimError: one of them is no number.
    """
    start = max(_number(query, "startIndex", 1), 1)
    count = min(max(_number(query, "count", MOST_RESULTS), 0), MOST_RESULTS)
    part = [chosen(resource(one), query) for one in found[start - 1 : start - 1 + count]]
    body = {
        "schemas": [f"{MESSAGES}:ListResponse"],
        "totalResults": len(found),
        "startIndex": start,
        "itemsPerPage": len(part),
        "Resources": part,
    }
    return ScimAnswer(HTTPStatus.OK, body)


def _number(query: Form, name: str, default: int) -> int:
    typed = query.text(name)
    if not typed:
        return default
    if not typed.removeprefix("-").isdecimal() or len(typed) > 9:  # noqa: PLR2004
        raise ScimError(400, f"{name} has to be a number.", "invalidValue")
    return int(typed)

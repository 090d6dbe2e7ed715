"""PATCH operations (RFC 7644 section 3.5.2), as Entra and Okta send them: one change for each attribute that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from services.console.scim.protocol import CORE, JsonObject, ScimError, fields_of

_MOST = 1_000
_OPERATIONS = {"add", "replace", "remove"}
_PATH = re.compile(r"([a-z$][\w$-]*+)(?:\[([^\[\]]*+)\])?(?:\.([a-z$][\w$-]*+))?", re.IGNORECASE)
_VALUE = re.compile(r'\s*+value\s++eq\s++"([^"\\]*+)"\s*+', re.IGNORECASE)
_CORE = re.compile(rf"{re.escape(CORE)}:\w++:(.++)", re.IGNORECASE)


class AttributeChange(NamedTuple):
    """One change of one attribute."""

    operation: str
    """``add``, ``replace`` or ``remove``."""
    attribute: str
    """In lower case, with its sub-attribute after a dot."""
    selected: str | None
    """The value that the path selects: ``members[value eq "…"]``."""
    value: Any


def of_resource(body: JsonObject) -> list[AttributeChange]:
    """Return a whole resource (POST, PUT) as changes."""
    return [AttributeChange("replace", name.lower(), None, value) for name, value in body.items()]


def of_patch(body: JsonObject) -> list[AttributeChange]:
    """Return the changes of a PATCH.

    Raises:
        ScimError: the body cannot be understood.
    """
    operations = next((value for name, value in body.items() if name.lower() == "operations"), None)
    if not isinstance(operations, list) or not operations or len(operations) > _MOST:
        raise ScimError(400, f"Operations has to be a list of 1 to {_MOST} operations.", "invalidSyntax")
    return [change for operation in operations for change in _changes(fields_of(operation, "An operation"))]


def _changes(operation: JsonObject) -> Iterator[AttributeChange]:
    fields = {name.lower(): value for name, value in operation.items()}
    kind, path, value = fields.get("op"), fields.get("path"), fields.get("value")
    kind = kind.lower() if isinstance(kind, str) else None
    if kind not in _OPERATIONS:
        raise ScimError(400, "op has to be add, replace or remove.", "invalidSyntax")
    if path is not None and path != "":
        yield _change(kind, path, value)
    elif kind == "remove":
        raise ScimError(400, "An operation that removes something needs a path.", "noTarget")
    else:
        # The names may be paths: Entra sends {"name.givenName": "…"}.
        for name, part in fields_of(value, "The value of an operation without a path").items():
            yield _change(kind, name, part)


def _change(kind: str, path: object, value: Any) -> AttributeChange:
    if not isinstance(path, str):
        raise ScimError(400, "path has to be a text.", "invalidPath")
    if path.lower().startswith("urn:"):
        core = _CORE.fullmatch(path)
        if core is None:
            return AttributeChange(kind, path.lower(), None, value)  # an extension's, which nothing here reads
        path = core[1]
    found = _PATH.fullmatch(path.strip())
    if found is None:
        raise ScimError(400, "The path cannot be understood.", "invalidPath")
    attribute, condition, part = found[1].lower(), found[2], found[3]
    selected = None
    if condition is not None and attribute == "members":
        named = _VALUE.fullmatch(condition)
        if named is None:
            raise ScimError(400, 'Members are selected by members[value eq "id"].', "invalidPath")
        selected = named[1]
    return AttributeChange(kind, f"{attribute}.{part.lower()}" if part else attribute, selected, value)

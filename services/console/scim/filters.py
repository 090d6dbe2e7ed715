"""Filters: conditions ``attribute eq value``, joined by ``and``. That is what identity providers send; others are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping

import orjson

from services.console.scim.protocol import ScimError

_CONDITION = re.compile(
    r'\s*+([\w$.:]++(?:\[[^\[\]]*+\](?:\.[\w$]++)?)?)\s++eq\s++("(?:[^"\\]|\\.)*+"|true|false)\s*+(and\b|$)',
    re.IGNORECASE,
)
_WRONG = 'Filters have to be conditions such as userName eq "a@example.com".'
_SELECTION = re.compile(r"\[[^\[\]]*+\]")
_EXACT = {"id", "externalid", "members", "members.value"}
"""Attributes whose values differ by case (RFC 7643: ``caseExact``)."""

Condition = tuple[str, str]
"""An attribute in lower case, and its value."""
Texts = Mapping[str, tuple[str, ...]]
"""The values of each attribute that can be filtered by."""


def read_filter(text: str) -> list[Condition]:
    """Return the conditions of a filter; none for everything.

    Raises:
        ScimError: the filter is of another kind.
    """
    conditions: list[Condition] = []
    rest, more = text, bool(text.strip())
    while more:
        found = _CONDITION.match(rest)
        if found is None:
            raise ScimError(400, _WRONG, "invalidFilter")
        conditions.append((_SELECTION.sub("", found[1]).rpartition(":")[2].lower(), _value(found[2])))
        rest, more = rest[found.end() :], bool(found[3])
    return conditions


def _value(literal: str) -> str:
    try:
        return str(orjson.loads(literal)) if literal.startswith('"') else literal.lower()
    except orjson.JSONDecodeError:
        raise ScimError(400, _WRONG, "invalidFilter") from None


def fits(conditions: list[Condition], texts: Texts) -> bool:
    """Whether a resource meets every condition.

    Raises:
        ScimError: it cannot be filtered by an attribute.
    """
    if unknown := [attribute for attribute, _ in conditions if attribute not in texts]:
        raise ScimError(400, f"There is no filter by {unknown[0]}.", "invalidFilter")
    return all(
        value in texts[attribute]
        or (attribute not in _EXACT and value.casefold() in [one.casefold() for one in texts[attribute]])
        for attribute, value in conditions
    )

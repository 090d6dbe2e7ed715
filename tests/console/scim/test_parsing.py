"""Whatever is sent, PATCH bodies, resources and filters are read or refused in the protocol's words. No server is needed."""

from __future__ import annotations

import string
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.console.scim.filters import fits, read_filter
from services.console.scim.groups import changed
from services.console.scim.paths import of_patch, of_resource
from services.console.scim.protocol import ScimError
from services.console.scim.users import email_of, identifier_of, read_patch
from services.store import ProvisionedGroup

NAMES = st.sampled_from(
    [
        "op",
        "path",
        "value",
        "active",
        "userName",
        "displayName",
        "name",
        "name.givenName",
        "members",
        "externalId",
        "$ref",
        "",
    ]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["add", "Remove", "REPLACE", "True"])
)
PATHS = (
    NAMES
    | st.sampled_from(['members[value eq "x"]', 'emails[type eq "work"].value', "urn:a:b", "a[", "members[]"])
    | st.text()
)
JSON: st.SearchStrategy[Any] = st.recursive(
    LEAVES | PATHS,
    lambda some: st.lists(some, max_size=3) | st.dictionaries(NAMES | st.text(max_size=5), some, max_size=3),
)
OPERATIONS = st.fixed_dictionaries({}, optional={"op": LEAVES, "path": PATHS | JSON, "value": JSON})
GROUP = ProvisionedGroup(id="g", name="G", members=("a@firm.example",), created_at=datetime(2026, 1, 1, tzinfo=UTC))


@settings(deadline=None)
@given(st.lists(OPERATIONS | JSON, max_size=4) | JSON)
def test_patches(operations: Any) -> None:
    """Nothing but a refusal is raised, and what is read has the types that are stored."""
    with suppress(ScimError):
        changes = of_patch({"schemas": [], "Operations": operations})
        with suppress(ScimError):
            group = changed(GROUP, changes)
            assert group.name
            assert all(isinstance(one, str) for one in group.members)
        found = read_patch(changes)
        assert found.active in (None, True, False)
        assert all(isinstance(one, str | None) for one in (found.name, found.external_id))


@settings(deadline=None)
@given(st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=5))
def test_resources(body: dict[str, Any]) -> None:
    """The same for a whole resource."""
    with suppress(ScimError):
        read_patch(of_resource(body))
    with suppress(ScimError):
        changed(GROUP, of_resource(body))


WORDS = st.lists(
    st.sampled_from(["userName", "eq", '"a"', "and", "true", "active", '"', "\\", "[", "]", "urn:x:", "not", "(", " "])
    | st.text(max_size=3)
).map(" ".join)


@settings(deadline=None)
@given(WORDS | st.text())
def test_filters(text: str) -> None:
    """A filter is understood or refused, never taken for none."""
    with suppress(ScimError):
        conditions = read_filter(text)
        assert conditions or not text.strip()
        fits(conditions, {"username": ("a",), "active": ("true",)})


@settings(deadline=None)
@given(st.text(string.ascii_letters + string.digits + "-_=+/.", max_size=40))
def test_ids(identifier: str) -> None:
    """A user has one id, in one spelling."""
    email = email_of(identifier)
    assert not email or identifier_of(email) == identifier


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ('userName eq "a b"', [("username", "a b")]),
        ('userName  EQ "a\\"b"  AND active eq TRUE', [("username", 'a"b'), ("active", "true")]),
        ('urn:ietf:params:scim:schemas:core:2.0:User:name.formatted eq "x"', [("name.formatted", "x")]),
        ('emails[type eq "work"].value eq "x"', [("emails.value", "x")]),
    ],
)
def test_filters_that_are_understood(text: str, expected: list[tuple[str, str]]) -> None:
    """Attributes in lower case, values as they are."""
    assert read_filter(text) == expected

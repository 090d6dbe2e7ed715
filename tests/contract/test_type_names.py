"""A type name means one thing: no two packages define different types with the same name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
SAME_THING = {
    "IpNetwork": "settings may not import the mail client, nor the mail client the settings",
}
"""Types that are defined twice because no package may import the other, each with the reason."""


def types(source: str) -> set[str]:
    """Return the public classes and type aliases that a module defines."""
    found = set()
    for node in ast.parse(source).body:
        match node:
            case ast.ClassDef(name=name) | ast.Assign(targets=[ast.Name(id=name)]) if (
                name[0].isupper() and not name.isupper()
            ):
                found.add(name)
    return found


def duplicates(*tops: str) -> dict[str, list[str]]:
    """Return the names that several modules define, with the modules."""
    homes: dict[str, list[str]] = defaultdict(list)
    for top in tops:
        for path in sorted((ROOT / top).rglob("*.py")):
            for name in types(path.read_text(encoding="utf-8")):
                homes[name].append(str(path.relative_to(ROOT)))
    return {name: where for name, where in homes.items() if len(where) > 1 and name not in SAME_THING}


def test_a_type_name_has_one_meaning_in_the_product() -> None:
    """Schemas and services never define two types with one name."""
    assert duplicates("schemas", "services") == {}


def test_a_type_name_has_one_meaning_in_the_testbed() -> None:
    """Neither does the testbed; it may use the product's names for its own view of them, since it checks from outside."""
    assert duplicates("testbed") == {}


def test_duplicates_are_found() -> None:
    """Classes and aliases count, constants and private names do not."""
    assert types("class Ab: ...\nBc = int\nLIMIT = 1\n_D = int\nclass _E: ...") == {"Ab", "Bc"}

"""References, as far as they are kept."""

from __future__ import annotations

from schemas.header import named_ids
from services.parser.mime import limits


def references(value: str) -> tuple[tuple[str, ...], bool]:
    """Return the ids of the thread, oldest first, each once, and whether some were left out of the middle."""
    found = named_ids(value)
    if len(found) <= limits.REFERENCES:
        return found, False
    return (found[0], *found[-(limits.REFERENCES - 1) :]), True

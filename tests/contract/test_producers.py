"""Compares the map of the system with the sources: which stage makes which event."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.messages import MESSAGES
from schemas.routes import ROUTES

SERVICES = Path(__file__).parents[2] / "services"
EVENTS = {message.__name__: message for message in MESSAGES}


def made(source: str) -> Iterator[str]:
    """Yield the names of the events that a source makes: ``SyncCompleted(...)`` or ``SyncCompleted.of(...)``."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))) if name in EVENTS:
                yield name


def producers(event: str) -> set[str]:
    """Return the packages of ``services`` in which an event is made."""
    return {
        path.relative_to(SERVICES).parts[0]
        for path in SERVICES.rglob("*.py")
        if event in made(path.read_text(encoding="utf-8"))
    }


@pytest.mark.parametrize("event", EVENTS)
def test_the_map_names_every_producer(event: str) -> None:
    """Exactly the producers that ``schemas.routes`` names make the event."""
    rows = [route for route in ROUTES if route.message is EVENTS[event]]
    assert rows
    assert all(set(row.producers) == producers(event) for row in rows)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("async def f(bus): await bus.publish(SyncCompleted.of('a', 1))", ["SyncCompleted"]),
        ("def f(): return Done([MailParsed(id='x')])", ["MailParsed"]),
        ("def f(event): return isinstance(event, MailParsed) and event.TYPE == MailParsed.TYPE", []),
    ],
)
def test_the_check_finds_what_is_made(source: str, names: list[str]) -> None:
    """The check above sees an event that is made, and not one that is only named."""
    assert list(made(source)) == names

"""``--json``: every reading command has it, and prints exactly the documented keys."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.fixtures import ANNA, KIM, OFFER, World
from tools.commands.document import commands, option_name
from tools.commands.shape import And, Anything, Map, Named, Nullable
from tools.commands.shapes import SHAPES

LETTER = "<letter>"
RUNS: dict[str, tuple[str, ...]] = {
    "user list": (),
    "account list": (),
    "account show": (ANNA,),
    "account test": (ANNA,),
    "account sharing": (ANNA,),
    "account folders": (ANNA,),
    "account aliases": (ANNA,),
    "company sharing": (),
    "contact list": (),
    "contact show": (KIM,),
    "emails": (KIM, "--viewer", ANNA),
    "email show": (OFFER.key, "--viewer", ANNA),
    "search": ("subject offer", "--viewer", ANNA),
    "thread": (OFFER.key, "--viewer", ANNA),
    "explain": (KIM, OFFER.key, "--viewer", ANNA),
    "dead-letters list": (),
    "dead-letters show": (LETTER,),
    "ledger check": (),
    "privacy erase": (KIM, "--by", ANNA, "--dry-run"),
    "audit": (),
    "status": (),
    "queues": (),
    "doctor": (),
}
"""How each is run; leads are printed as contacts are, and ``account add`` has a test of its own."""


def plain(shape: Any) -> Any:
    """Return a shape without its name."""
    if isinstance(shape, And):
        return {**shape.base.shape, **shape.more}
    return shape.shape if isinstance(shape, Named) else shape


def hold(value: Any, shape: Any, place: str) -> None:
    """Hold a value against a shape: exactly these keys, everywhere."""
    match plain(shape):
        case Nullable() as nullable:
            if value is not None:
                hold(value, nullable.shape, place)
        case Anything():
            pass
        case Map() as data:
            for key, one in value.items():
                hold(one, data.values, f"{place}.{key}")
        case dict() as keys:
            assert set(value) == set(keys), place
            for key, inner in keys.items():
                hold(value[key], inner, f"{place}.{key}")
        case [inner]:
            assert isinstance(value, list), place
            for one in value:
                hold(one, inner, f"{place}[]")
        case _:
            assert not isinstance(value, list | dict), place


@pytest.mark.parametrize("command", RUNS)
def test_prints_the_documented_keys(world: World, command: str) -> None:
    """No key more, none less, nothing but JSON on standard output, and nothing secret in it."""
    arguments = RUNS[command]
    if LETTER in arguments:
        (letter,) = world.run("dead-letters", "list", "--json").json()
        arguments = (letter["id"],)
    done = world.run(*command.split(), *arguments, "--json")
    # No stage runs here, and no mail server is there.
    assert done.code == (1 if command in ("account test", "ledger check", "doctor") else 0)
    assert done.json()
    hold(done.json(), SHAPES[command], command)
    assert "secret-of-anna" not in done.out
    assert "wrapped_key" not in done.out


READING = ("list", "show", "test", "check", "status", "emails", "explain", "audit", "queues", "doctor")
"""Last words of commands that read."""


def test_every_reading_command_has_it() -> None:
    """Whatever takes ``--json`` has a documented shape, and whatever reads takes it."""
    taking = {
        words
        for words, command in commands()
        if "--json" in [option_name(name, described) for name, _, described, _ in command.parameters()]
    }
    assert taking == set(SHAPES)
    assert taking == {*RUNS, "lead list", "lead show", "account add"}
    reading = {words for words, _ in commands() if words.split()[-1] in READING}
    assert reading <= taking

"""How the shape of a JSON output is written down: as data, and as text for ``docs/commands.md``.

A shape is a text (what a value is), a dict (an object with exactly these keys), a list of one shape (an array), or one of the
classes below.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Map(NamedTuple):
    """An object whose keys are data."""

    keys: str
    values: Any


class Named(NamedTuple):
    """A shape that several commands print."""

    name: str
    shape: dict[str, Any]


class And(NamedTuple):
    """An object with the keys of a named one and further ones."""

    base: Named
    more: dict[str, Any]


class Anything(NamedTuple):
    """A value of any kind."""

    words: str


class Nullable(NamedTuple):
    """An object, or null."""

    shape: Any


def lines(shape: Any, indent: int = 0, key: str = "") -> list[str]:  # noqa: PLR0911 - one return a kind
    """Return a shape as indented lines: ``key: what it is``."""
    pad, name = "  " * indent, f"{key}: " if key else ""
    match shape:
        case Named():
            return [f"{pad}{name}{shape.name}"]
        case And():
            first, *rest = lines(shape.more, indent, key)
            return [first.replace("{", f"{shape.base.name} and {{"), *rest]
        case Nullable():
            *most, last = lines(shape.shape, indent, key)
            return [*most, f"{last} or null"]
        case Anything():
            return [f"{pad}{name}{shape.words}"]
        case Map():
            return [f"{pad}{name}{{", *lines(shape.values, indent + 1, f"<{shape.keys}>"), f"{pad}}}"]
        case dict():
            inner = [line for one, value in shape.items() for line in lines(value, indent + 1, one)]
            return [f"{pad}{name}{{", *inner, f"{pad}}}"]
        case [Named() | str() as one]:
            return [f"{pad}{name}[{one if isinstance(one, str) else one.name}]"]
        case [one]:
            first, *inner, last = lines(one, indent)
            return [f"{pad}{name}[{first.strip()}", *inner, f"{last}]"]
        case _:
            return [f"{pad}{name}{shape}"]


def named(shape: Any) -> dict[str, Named]:  # noqa: PLR0911 - one return a kind
    """Return every named shape within a shape, by name."""
    match shape:
        case Named():
            return {shape.name: shape} | named(shape.shape)
        case And():
            return named(shape.base) | named(shape.more)
        case Nullable():
            return named(shape.shape)
        case Map():
            return named(shape.values)
        case dict():
            return {name: one for value in shape.values() for name, one in named(value).items()}
        case [one]:
            return named(one)
        case _:
            return {}

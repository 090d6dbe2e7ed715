"""What makes a regular expression take more than linear time, found with re's own parser, which alone reads what re reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

LONG = 1_000
"""A repetition up to so many times counts as one without an end."""
_ALPHABET = frozenset([chr(code) for code in range(128)] + list("\x85\xa0é中\u2028\ue000"))
_ZERO_WIDTH = frozenset((ops.AT, ops.ASSERT, ops.ASSERT_NOT))
_REPEATS = (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT)

Node = tuple[Any, Any]


def _category(category: Any, character: str) -> bool:
    name = str(category).removeprefix("CATEGORY_")
    kind = name.removeprefix("NOT_")
    held = {
        "SPACE": character.isspace(),
        "DIGIT": character.isdigit(),
        "WORD": character.isalnum() or character == "_",
    }[kind]
    return held is not name.startswith("NOT_")


class Analysis:
    """What of one pattern may take more than linear time."""

    def __init__(self, pattern: re.Pattern[Any], *, searches: bool) -> None:
        self._flags = pattern.flags
        self._searches = searches
        self._tree = list(parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG))

    @cached_property
    def problems(self) -> list[str]:
        """Return each kind of problem once."""
        found: list[str] = []
        for branch in self._branches(self._tree):
            self._sequence(branch, False, [], found)
        return list(dict.fromkeys(found))

    def _branches(self, sequence: list[Node]) -> Iterator[list[Node]]:
        """Yield the alternatives of a pattern that consists of nothing else."""
        if len(sequence) == 1 and sequence[0][0] is ops.BRANCH:
            for branch in sequence[0][1][1]:
                yield list(branch)
        else:
            yield sequence

    def _chars(self, node: Node) -> frozenset[str]:
        """Return the characters that one node can take anywhere in it."""
        op, value = node
        if op is ops.LITERAL:
            return self._cased({chr(value)})
        if op is ops.NOT_LITERAL:
            return _ALPHABET - {chr(value)}
        if op is ops.ANY:
            return _ALPHABET if self._flags & re.DOTALL else _ALPHABET - {"\n"}
        if op is ops.IN:
            return self._of_class(value)
        return frozenset[str]().union(*(self._chars(inner) for part in parts_of(node) for inner in part))

    def _of_class(self, items: list[Node]) -> frozenset[str]:
        taken: set[str] = set()
        for op, value in items:
            if op is ops.LITERAL:
                taken.add(chr(value))
            elif op is ops.RANGE:
                taken.update(one for one in _ALPHABET if value[0] <= ord(one) <= value[1])
            elif op is ops.CATEGORY:
                taken.update(one for one in _ALPHABET if _category(value, one))
        cased = self._cased(taken)
        return _ALPHABET - cased if items[0][0] is ops.NEGATE else cased

    def _cased(self, taken: set[str]) -> frozenset[str]:
        if self._flags & re.IGNORECASE:
            taken = taken | {one.lower() for one in taken} | {one.upper() for one in taken}
        return frozenset(taken)

    def _first(self, sequence: list[Node]) -> frozenset[str]:
        found = frozenset[str]()
        for node in sequence:
            op, _ = node
            if op in _ZERO_WIDTH:
                continue
            parts = [list(part) for part in parts_of(node)]
            found |= frozenset[str]().union(*map(self._first, parts)) if parts else self._chars(node)
            if not _empty(node):
                break
        return found

    def _sequence(self, sequence: list[Node], can_fail: bool, before: list[Node], found: list[str]) -> None:
        """Look through a sequence; ``can_fail``: what follows it may not match; ``before``: what precedes it."""
        flat = [*_flat(sequence)]
        for index, node in enumerate(flat):
            rest = flat[index + 1 :]
            fails = can_fail or not all(map(_always, rest))
            op, value = node
            if op in _REPEATS and value[1] >= LONG:
                body = list(value[2])
                self._repeat(node, body, found)
                if fails:
                    self._adjacent(node, rest, can_fail, found)
                    self._restarted(node, [*before, *flat[:index]], found)
            for part in parts_of(node):
                inner = op in _REPEATS
                self._sequence(list(part), fails or inner, [*before, *flat[:index]], found)

    def _repeat(self, node: Node, body: list[Node], found: list[str]) -> None:
        if node[0] is ops.POSSESSIVE_REPEAT:
            return
        flat = [*_flat(body)]
        for index, inner in enumerate(flat):
            unbounded = inner[0] in _REPEATS and inner[1][1] >= LONG
            if unbounded and inner[0] is not ops.POSSESSIVE_REPEAT and all(map(_empty, flat[index + 1 :])):
                follows = self._first(flat)
                if self._chars(inner) & follows or all(map(_empty, flat[:index])):
                    found.append("a repeat within a repeat that takes the same characters")

    def _adjacent(self, node: Node, rest: list[Node], can_fail: bool, found: list[str]) -> None:
        if node[0] is ops.POSSESSIVE_REPEAT:
            return
        taken = self._chars(node)
        for index, other in enumerate(rest):
            unbounded = other[0] in _REPEATS and other[1][1] >= LONG
            fails = can_fail or not all(map(_always, rest[index + 1 :]))
            if unbounded and fails and taken & self._chars(other):
                found.append("two repeats in a row that take the same characters")
            if not _empty(other) and not taken & self._chars(other):
                return

    def _restarted(self, node: Node, before: list[Node], found: list[str]) -> None:
        """Note a repeat within which the search may begin again, for every character of a text that does not match."""
        if not self._searches:
            return
        taken = self._chars(node)
        for op, value in before:
            if op is ops.AT and value is ops.AT_BEGINNING_STRING:
                return
            if op is ops.AT and value is ops.AT_BEGINNING and ("\n" not in taken or not self._flags & re.MULTILINE):
                return
            if op is ops.ASSERT_NOT and value[0] < 0 and taken & self._first([*before, node]) <= self._first(value[1]):
                return  # it cannot begin behind its own characters
        if all(_empty(one) or taken & self._chars(one) for one in before):
            found.append("a search that may begin again within a repeat")


def parts_of(node: Node) -> list[Any]:
    """Return the sequences within a node."""
    op, value = node
    if op is ops.SUBPATTERN:
        return [value[3]]
    if op in _REPEATS:
        return [value[2]]
    if op is ops.BRANCH:
        return list(value[1])
    if op is ops.ATOMIC_GROUP:
        return [value]
    return []


def _flat(sequence: Iterable[Node]) -> Iterator[Node]:
    """Yield the nodes of a sequence with plain groups opened."""
    for node in sequence:
        if node[0] is ops.SUBPATTERN:
            yield from _flat(node[1][3])
        else:
            yield node


def _empty(node: Node) -> bool:
    """Whether a node may match without a character."""
    op, value = node
    if op in _REPEATS:
        return not value[0] or all(map(_empty, value[2]))
    if op is ops.BRANCH:
        return any(all(map(_empty, branch)) for branch in value[1])
    if op in (ops.SUBPATTERN, ops.ATOMIC_GROUP):
        return all(_empty(one) for part in parts_of(node) for one in part)
    return op in _ZERO_WIDTH


def _always(node: Node) -> bool:
    """Whether a node matches whatever comes."""
    op, value = node
    if op in _REPEATS:
        return not value[0]
    if op is ops.BRANCH:
        return any(all(map(_always, branch)) for branch in value[1])
    return False

"""Threads as a viewer sees them: emails that name one another, or the same mail, by Message-ID.

As JWZ and RFC 5256 (REFERENCES) join them, but by ids alone and never by subject. Only emails that the viewer may see join others:
one that they may not see is like one that was never there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from schemas.records import RecordRef
from services.store.access.guard import Guard, LinkDecision
from services.store.access.teams import ActiveViewer
from services.store.mail.joined_links import JoinedLinks
from services.store.readers.views import VisibleEmail

N = TypeVar("N")
MOST = 200
"""Links of one thread that are read."""
MOST_BESIDE = 100
"""Links that are read beside those of a page, to find out which of its emails others join."""


class Thread(NamedTuple):
    """A thread as far as it was read."""

    visible: list[LinkDecision]
    """Newest first."""
    cut_short: bool
    """Whether there are more emails in it that the viewer may see."""


class Threads:
    """Joins what the guard lets through, and reads a bounded number of links for it."""

    def __init__(self, guard: Guard, joined_links: JoinedLinks) -> None:
        self._guard = guard
        self._joined = joined_links

    async def around(
        self,
        user: ActiveViewer,
        start: Sequence[LinkDecision],
        *,
        ids: Iterable[str] = (),
        record: RecordRef | None = None,
    ) -> Thread:
        """Return the thread of visible links, or of ids; on a record, or on all that the viewer may read."""
        named = frozenset(ids).union(*(one.link.joins for one in start))
        links = [one.link for one in start]
        # Most candidates are visible. Where not, the thread is no shorter for it.
        beside = await self._joined.reachable(user.owners, links, most=2 * MOST, record=record, ids=named)
        visible = [*start]
        while beside and len(visible) <= MOST:
            part, beside = beside[: MOST + 1], beside[MOST + 1 :]
            visible += [one for one in await self._guard.decide(user, part) if one.visible]
        group_of = groups(_joins(visible), named)
        thread = [one for one in visible if group_of[one.link.id] == 0]
        shown = sorted(thread[:MOST], key=lambda one: (one.link.sent_at, one.link.id), reverse=True)
        return Thread(shown, cut_short=len(thread) > MOST)

    async def joined(
        self, user: ActiveViewer, lines: Sequence[VisibleEmail], visible: Sequence[LinkDecision], record: RecordRef
    ) -> list[VisibleEmail]:
        """Return the lines of a part of a record page with their threads, joined over what the viewer sees on the record."""
        links = [one.link for one in visible]
        beside = await self._joined.reachable(user.owners, links, most=MOST_BESIDE, record=record)
        return with_threads(lines, [*visible, *(one for one in await self._guard.decide(user, beside) if one.visible)])


def with_threads(lines: Iterable[VisibleEmail], visible: Iterable[LinkDecision]) -> list[VisibleEmail]:
    """Return lines with one ``thread`` for all emails of a thread: the digest that the oldest of the visible links has."""
    decisions = sorted(visible, key=lambda one: (one.link.sent_at, one.link.id))
    group_of = groups(_joins(decisions))
    names: dict[int, str] = {}
    of_email: dict[str, str] = {}
    for link in (one.link for one in decisions):
        of_email[link.email] = names.setdefault(group_of[link.id], link.thread)
    return [line.model_copy(update={"thread": of_email.get(line.email, line.thread)}) for line in lines]


def groups(named: Iterable[tuple[N, Sequence[str]]], first: Iterable[str] = ()) -> dict[N, int]:
    """Return the number of each email's thread, by name. Pure: emails with a common id are in one thread, and the order is no matter.

    Args:
        named: names of emails or links, and the ids that each has.
        first: the ids of thread 0.
    """
    emails = list(named)
    above: dict[str, str] = {}

    def top(one: str) -> str:
        while (parent := above.setdefault(one, one)) != one:
            above[one] = above[parent]
            one = parent
        return one

    start = tuple(first)
    for ids in (start, *(ids for _, ids in emails)):
        for one in ids[1:]:
            above[top(one)] = top(ids[0])
    numbers = {top(one): 0 for one in start}
    return {name: numbers.setdefault(top(ids[0]), len(numbers)) for name, ids in emails}


def _joins(visible: Iterable[LinkDecision]) -> list[tuple[str, Sequence[str]]]:
    return [(one.link.id, one.link.joins) for one in visible]

"""Lets threads that holders keep private grow with their mail: mail that names only newer mail of such a thread is covered, too."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.identity import thread_id
from services.store import Store, WorkId


class HeldMail(NamedTuple):
    """An email on a record, in the mail of one of its holders."""

    owner: str
    message_id: str | None
    ids: Collection[str]
    """See ``identity.thread_ids``."""


@dataclass
class Grown:
    """What follows from threads that have grown."""

    emails: set[str] = field(default_factory=set)
    """Emails that name a mail which was not of such a thread before: relink them, so that the thread goes on from there."""
    work: list[WorkId] = field(default_factory=list)
    """Pending work to mark as done when they are."""


async def grow(held: Iterable[HeldMail], withdrawn: Collection[tuple[str, str]], store: Store) -> Grown:
    """Add the Message-ID of each mail of a thread kept private to the ids of the thread, before the mail's links are stored.

    It adds only that one. Anyone can send mail that names this thread and another one, which must not make the other private.

    Args:
        held: emails, by holder.
        withdrawn: (owner, email key) of what is kept private, by itself or by its thread. Other owners are not looked up.
        store: where they are.
    """
    grown, mails = Grown(), dict[str, dict[str, set[str]]]()
    keepers = {owner for owner, _ in withdrawn}
    for one in held:
        if one.owner in keepers and one.message_id is not None:
            own = thread_id(message_id=one.message_id, in_reply_to=None, references=(), key=one.message_id)
            mails.setdefault(one.owner, {}).setdefault(own, set()).update(one.ids)
    for owner, theirs in mails.items():
        if new := await _missing(owner, theirs, store):
            naming = await store.links.emails_naming(owner, new)
            # The pending work comes first: after a crash in between, the sweeper relinks them.
            grown.work.append(await store.pending_work.enqueue(emails=naming))
            await store.withdrawals.add(owner, "thread", *sorted(new))
            # Again: mail whose links were stored meanwhile did not see the new ids, which are stored now.
            grown.emails |= naming | await store.links.emails_naming(owner, new)
    return grown


async def _missing(owner: str, mails: dict[str, set[str]], store: Store) -> set[str]:
    """Return the ids of mails that threads kept private lead to, and that are not among the ids of these threads yet.

    No email has such an id as its key, so that only what is withdrawn by thread is found.
    """
    noted = {own for _, own in await store.withdrawals.of([owner], {own: [own] for own in mails})}
    new = {own for _, own in await store.withdrawals.of([owner], mails)} - noted
    while more := {own for own, ids in mails.items() if ids & new} - noted - new:
        new |= more
    return new

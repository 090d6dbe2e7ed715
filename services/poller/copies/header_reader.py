"""Reads the headers of fetched messages outside the event loop, in order, a bounded piece at a time.

The server is asked for the beginning of each header, which is all of it in nearly every mail. What a longer one lacks is fetched
for one message at a time, in pieces, as far as the parser reads, so that no participant is missed. A body is never fetched for it;
of bounces, which may name nobody in their headers, the reports are read (``delivery_reports``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from typing import NamedTuple

from services.mailbox.imap import ConnectionLostError, Fetched, ImapSession, RefusedError
from services.poller.copies import headers
from services.poller.copies.account_context import AccountContext, Marker
from services.poller.copies.delivery_reports import read_reports
from services.poller.copies.headers import MAX_HEADER, HeaderFacts

PIECE = 32 * 1024
"""Bytes of a long header that are fetched at a time."""
SLICE = 128 * 1024
"""Bytes of header that are read in one go. In between the accounts take turns."""
_BLANK_LINES = (b"\r\n\r\n", b"\n\n")
FAILURES = 3
"""Attempts at the rest of a header that break the connection, until it counts as withheld."""
PEOPLE = 5_000
"""Participants of one group, which makes one look-up and one transaction."""


class MessageHeader(NamedTuple):
    """A message, and what its header says."""

    message: Fetched
    facts: HeaderFacts
    marker: Marker
    """What made the marks."""
    marks: tuple[bytes, ...]
    """Of its participants and thread ids; of a bounce also of those that its report names."""
    mark: bytes
    """Of the whole header; empty for one of which only a part was read, since another mail may have the same part."""
    former_marks: tuple[bytes, ...]
    """The same by the keys that made marks before, while the deployment's key changes."""
    withheld: bool
    """Whether the server returned only the beginning of what the parser reads."""


class _Block(NamedTuple):
    """A header block as far as it was fetched."""

    message: Fetched
    data: bytes
    whole: bool = True
    withheld: bool = False


async def read_headers(
    context: AccountContext, session: ImapSession, messages: Sequence[Fetched]
) -> tuple[list[MessageHeader], Sequence[Fetched]]:
    """Read the headers of the first messages: of all, unless they name very many people.

    The messages' folder must be open if one of them needs it (``needs_folder``).

    Returns:
        The messages with their headers, and the messages that are left.
    """
    group: list[MessageHeader] = []
    people: set[str] = set()
    loop, own = asyncio.get_running_loop(), context.account.own_addresses
    await context.follow_key()
    marker, formers = context.marker, context.former
    while len(group) < len(messages) and len(people) < PEOPLE:
        if messages[len(group)].header_cut:
            blocks = [await _complete(context, session, messages[len(group)])]
            context.metrics.long_headers.labels("read" if blocks[0].whole else "cut").inc()
        else:
            blocks = [_Block(message, message.header or b"") for message in _slice(messages, len(group))]
        read = await loop.run_in_executor(context.readers, _read, blocks, marker, formers, own)
        group += await _with_reports(context, session, read, own)
        people = people.union(*(header.facts.participants for header in read))
    return group, messages[len(group) :]


def needs_folder(message: Fetched) -> bool:
    """Whether the message's folder must be open to read its header."""
    return message.header_cut or headers.may_be_bounce(message.header or b"")


async def _with_reports(
    context: AccountContext, session: ImapSession, read: list[MessageHeader], own: Collection[str]
) -> list[MessageHeader]:
    """Return headers with what the reports of bounces say beside them."""
    if all(header.facts.bounce is None for header in read):
        return read
    told = await read_reports(context, session, [one.facts for one in read], [one.message.uid for one in read])
    return [
        header._replace(facts=facts, marks=header.marker.of_row(facts, own))
        if (facts := told.get(header.message.uid)) is not None
        else header
        for header in read
    ]


async def header_groups(
    context: AccountContext, session: ImapSession, messages: Sequence[Fetched]
) -> AsyncIterator[tuple[list[MessageHeader], Sequence[Fetched]]]:
    """Yield the headers of all messages, a group at a time, each with the messages that are left (see ``read_headers``)."""
    left = messages
    while left:
        group, left = await read_headers(context, session, left)
        yield group, left


def _slice(messages: Sequence[Fetched], start: int) -> Sequence[Fetched]:
    """Return the messages from ``start`` on whose headers are complete and fit into a slice, at least one."""
    size, end = 0, start
    while end < len(messages) and not messages[end].header_cut and (size < SLICE or end == start):
        size += len(messages[end].header or b"")
        end += 1
    return messages[start:end]


async def _complete(context: AccountContext, session: ImapSession, message: Fetched) -> _Block:
    """Return the header of a message, of which the beginning is known, as far as the parser reads, fetched piece by piece.

    Where the server fails at the rest again and again, it counts as withheld.
    """
    failures, copy = context.suspects.long_headers, (session.selected, message.uid)
    data = bytearray(message.header or b"")
    while len(data) <= MAX_HEADER:
        size = min(PIECE, MAX_HEADER + 1 - len(data))
        try:
            piece = (
                await session.header_rest(message.uid, len(data), size) if failures.get(copy, 0) < FAILURES else None
            )
        except (ConnectionLostError, RefusedError) as error:
            failures[copy] = failures.get(copy, 0) + (not (isinstance(error, RefusedError) and error.throttled))
            raise
        if piece is None:
            return _Block(message, bytes(data), whole=False, withheld=True)
        data += piece[:size]
        # A server may return less than it is asked for: the header ends with its blank line, or where nothing follows.
        if not piece or (len(piece) < size and data.endswith(_BLANK_LINES)):
            return _Block(message, bytes(data))
    return _Block(message, bytes(data), whole=False)


def _read(
    blocks: Sequence[_Block], marker: Marker, formers: Sequence[Marker], own: Collection[str]
) -> list[MessageHeader]:
    read = []
    for message, data, whole, withheld in blocks:
        facts = headers.read(data)
        if not whole:
            facts = facts._replace(whole=False)
        mark, *former = [one.of_header(data) if whole else b"" for one in (marker, *formers)]
        read.append(
            MessageHeader(
                message, facts, marker, marker.of_row(facts, own), mark, tuple(filter(None, former)), withheld
            )
        )
    return read

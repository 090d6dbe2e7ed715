"""Reads whom delivery reports are about, where their headers name nobody.

The server is asked for the parts of a bounce to one of the account's own addresses, and then for those that say who was not reached:
the notification, the header of the mail that bounced, and the words, 64 KiB of a bounce at most. What the report names
counts like what the header names: it decides on relevance, and its marks find the copy for a late contact. Nothing else of it
is kept. A mail that a person wrote is never asked for.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from schemas.bounces import (
    MEDIA_TYPES,
    RETURNED,
    BounceHeader,
    find_failures,
    lost_addresses,
    names_recipients,
    returned_id,
)
from schemas.header import decode_base64, decode_quoted_printable
from services.mailbox.imap import BodyPart, ConnectionLostError, ImapSession, RefusedError
from services.poller.copies import headers
from services.poller.copies.account_context import AccountContext
from services.poller.copies.headers import HeaderFacts

T = TypeVar("T")

STATUS, HEADER, WORDS = 32 * 1024, 16 * 1024, 16 * 1024
"""Bytes that are fetched of a bounce: of its notification, of the header that it returns, of its words."""
STRUCTURES, REPORTS = 100, 16
"""Bounces that are asked for at once: for their parts, and for what is in them."""
FAILURES = 3
"""Attempts that break the connection, until a bounce counts as one that names nobody."""
_TEXTS = ("text/plain", "text/html")
_TAG = re.compile(r"<(?![^<>\s]{1,100}@)[^<>]{0,2000}+>")

_MESSAGE = "message/rfc822"
MOST_REPORTS, MOST_TEXTS = 4, 4
"""Notifications and texts that are read of one bounce."""

Chosen = tuple[tuple[BodyPart, str, int], ...]
"""The parts that are read of a bounce, with the section and the bytes that are asked for."""


async def read_reports(
    context: AccountContext, session: ImapSession, facts: Sequence[HeaderFacts], uids: Sequence[int]
) -> dict[int, HeaderFacts]:
    """Return the facts of the bounces among some mails with what their reports say, by uid. The mails' folder must be open."""
    own = context.account.own_addresses
    found = {
        uid: (fact, fact.bounce)
        for uid, fact in zip(uids, facts, strict=True)
        if fact.bounce is not None and not own.isdisjoint(fact.participants)
    }
    if not found:
        return {}
    structures = await _ask(context, session, list(found), STRUCTURES, session.structures)
    chosen = {uid: read for uid, parts in structures.items() if (read := _chosen(found[uid][1], parts))}
    alike: dict[tuple[tuple[str, int], ...], list[int]] = {}
    for uid, read in chosen.items():
        alike.setdefault(tuple((section, size) for _, section, size in read), []).append(uid)
    told: dict[int, HeaderFacts] = {}
    for sections, group in alike.items():
        contents = await _ask(context, session, group, REPORTS, partial(session.sections, wanted=sections))
        ready = [(uid, *found[uid], chosen[uid], contents[uid]) for uid in group if uid in contents]
        told |= await asyncio.get_running_loop().run_in_executor(context.readers, _told_all, ready)
    return told


def _told_all(
    bounces: Sequence[tuple[int, HeaderFacts, BounceHeader, Chosen, Mapping[str, bytes]]],
) -> dict[int, HeaderFacts]:
    return {uid: _told(facts, header, chosen, contents) for uid, facts, header, chosen, contents in bounces}


async def _ask(
    context: AccountContext,
    session: ImapSession,
    uids: Sequence[int],
    most: int,
    ask: Callable[[Sequence[int]], Awaitable[Mapping[int, T]]],
) -> dict[int, T]:
    """Ask for mails. Those that may have broken the connection are asked for alone, and after some attempts no more."""
    failures, found = context.suspects.reports, dict[int, T]()
    innocent = [uid for uid in uids if (session.selected, uid) not in failures]
    groups = [innocent[start : start + most] for start in range(0, len(innocent), most)]
    for group in [*groups, *([uid] for uid in uids if 0 < failures.get((session.selected, uid), 0) < FAILURES)]:
        closed, folder = session.closed, session.selected
        try:
            found |= await ask(group)
        except (ConnectionLostError, RefusedError) as error:
            if not closed and not (isinstance(error, RefusedError) and error.throttled):
                failures |= {(folder, uid): failures.get((folder, uid), 0) + 1 for uid in group}
            raise
    return found


def _chosen(header: BounceHeader, parts: Sequence[BodyPart]) -> Chosen:
    """Return which parts to read of a bounce: none of a mail that is no bounce by its header and its parts."""
    reports = [part for part in parts if part.media_type in MEDIA_TYPES and not part.wrapped][:MOST_REPORTS]
    wrapped = not reports and not header.report and header.automatic
    if wrapped:  # what a gateway attached to a mail of its own
        reports = [part for part in parts if part.media_type in MEDIA_TYPES][:MOST_REPORTS]
        wrapped = bool(reports)
    returned = [part for part in parts if part.media_type in RETURNED and part.wrapped == wrapped][:1]
    if not reports and not names_recipients(header, returns=bool(returned)):
        return ()
    plain, rich = ([one for one in parts if one.media_type == kind and not one.wrapped][:MOST_TEXTS] for kind in _TEXTS)
    texts = plain or rich
    return (
        *((part, part.section, STATUS // len(reports)) for part in reports),
        *(
            (part, f"{part.section}.HEADER" if part.media_type == _MESSAGE else part.section, HEADER)
            for part in returned
        ),
        *((part, part.section, WORDS // len(texts)) for part in texts),
    )


def _told(facts: HeaderFacts, header: BounceHeader, chosen: Chosen, contents: Mapping[str, bytes]) -> HeaderFacts:
    """Return the facts of a bounce with the addresses and the mails that its parts name, as the parser links it."""
    reports, returned, texts = list[bytes](), b"", list[str]()
    for part, section, _ in chosen:
        data = contents.get(section, b"")
        content = data if part.media_type == _MESSAGE else _content(part, data)
        if part.media_type in MEDIA_TYPES:
            reports.append(content)
        elif part.media_type in RETURNED:
            returned = content
        else:
            text = headers.decoded(content, part.charset).replace("\r\n", "\n")
            texts.append(html.unescape(_TAG.sub("\n", text)) if part.media_type == "text/html" else text)
    text = "\n\n".join(texts)
    above = header.head(text)
    if any(part.wrapped for part, *_ in chosen) and lost_addresses(above, header.people):
        reports, returned = [], b""  # the mail around the report says itself who was not reached
    returns = any(part.media_type in RETURNED or part.wrapped for part, *_ in chosen)
    failures = find_failures(header, above, reports, returns=returns)
    if failures is None:
        return facts
    participants = facts.participants | failures.about
    to_and_cc, blind = headers.recipients(returned)
    if failures.may_name_bcc(to_and_cc) or not blind <= to_and_cc:
        # One of them may have been in Bcc: the parser keeps such a bounce out of threads.
        return facts._replace(participants=participants, references=())
    mail = headers.read(returned)
    named = (*mail.references, mail.message_id or returned_id(text, facts.message_id))
    references = facts.references or tuple(dict.fromkeys(one for one in named if one and one != facts.message_id))
    return facts._replace(participants=participants, references=references)


def _content(part: BodyPart, data: bytes) -> bytes:
    """Return the beginning of a part with its transfer encoding undone."""
    if part.encoding == "base64":
        return decode_base64(data)[0]
    return decode_quoted_printable(data) if part.encoding == "quoted-printable" else data

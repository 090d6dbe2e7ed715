"""Mail that was not delivered, as bounces say that the viewer sees on the same record.

Anyone can send a bounce and name any Message-ID in it, so that it marks nothing for users who may not see it there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from schemas.identity import failure_id
from schemas.records import RecordRef
from services.store.access.guard import Guard
from services.store.access.teams import ActiveViewer
from services.store.mail.joined_links import JoinedLinks
from services.store.readers.views import DeliveryFailure, VisibleEmail
from services.store.readers.visible_lines import VisibleLines

MOST = 100
"""Links of bounces that are read for a line. A part of a page has at most ``MOST_EACH`` times as many as lines, if that is more."""
MOST_EACH = 10


class Failures:
    """Marks lines by bounces, wherever on the record these are. One look-up that finds bounces alone, for all lines."""

    def __init__(self, guard: Guard, joined_links: JoinedLinks, lines: VisibleLines) -> None:
        self._guard = guard
        self._joined = joined_links
        self._lines = lines

    async def marked(
        self, user: ActiveViewer, lines: Sequence[VisibleEmail], records: Collection[RecordRef]
    ) -> list[VisibleEmail]:
        """Return lines with what bounces say of them that the viewer sees on one of the records."""
        ids = list({failure_id(line.message_id): None for line in lines if line.message_id})
        only = next(iter(records)) if len(records) == 1 else None
        links = await self._joined.naming(user.owners, ids, most=max(MOST, MOST_EACH * len(ids)), record=only)
        if not links:
            return list(lines)
        decisions = await self._guard.decide(user, [link for link in links if link.record in records])
        bounces = await self._lines.lines(user, [one for one in decisions if one.visible])
        failures: dict[str | None, dict[str, DeliveryFailure]] = {}
        for bounce in bounces:
            failures.setdefault(bounce.marks.bounced_id, {})[bounce.email] = _failure(bounce)
        return [
            line.model_copy(update={"failures": tuple(failures[line.message_id].values())})
            if line.message_id and line.message_id in failures
            else line
            for line in lines
        ]


def _failure(bounce: VisibleEmail) -> DeliveryFailure:
    marks = bounce.marks
    return DeliveryFailure(
        email=bounce.email,
        addresses=marks.bounced,
        kind=marks.bounce_kind,
        status=marks.bounce_status,
        reason=marks.bounce_reason,
    )

"""Addresses that may also belong to a record: unknown to the CRM, but writing in the record's threads."""

from __future__ import annotations

from schemas.emails import Link
from schemas.mail import Role
from schemas.records import RecordRef
from services.store.access.guard import Guard, prefilter
from services.store.access.views import SuggestedAddress, VisibleEmail
from services.store.access.visible_lines import VisibleLines
from services.store.core.colleagues import Colleagues
from services.store.core.collections import Collections
from services.store.core.documents import Doc, decode
from services.store.crm.record_addresses import RecordAddresses

_BATCH = 100


class Suggesting:
    """Suggests secondary addresses. It never adds one: a user of the CRM decides."""

    def __init__(
        self,
        collections: Collections,
        *,
        guard: Guard,
        lines: VisibleLines,
        colleagues: Colleagues,
        record_addresses: RecordAddresses,
    ) -> None:
        self._links = collections.links
        self._guard = guard
        self._lines = lines
        self._colleagues = colleagues
        self._record_addresses = record_addresses

    async def suggested_addresses(self, viewer: str, record: RecordRef) -> list[SuggestedAddress]:
        """Return the unknown senders of mail that is on a record by its thread alone, as far as the viewer sees it.

        The answer omits colleagues, addresses of any record, and automatic and mailing-list mail. Most mails first.

        Raises:
            NotFoundError: there is no such user.
        """
        user = await self._guard.viewer(viewer)
        query: Doc = {
            "record.kind": record.kind,
            "record.id": record.id,
            "matches.role": Role.THREAD.value,
            **prefilter(user),
        }
        links = [decode(Link, document) async for document in self._links.find(query)]
        mails: list[VisibleEmail] = []
        for start in range(0, len(links), _BATCH):
            decisions = await self._guard.decide(user, links[start : start + _BATCH])
            mails += await self._lines.lines(user, [one for one in decisions if one.visible])
        names: dict[str, str] = {}
        counts: dict[str, int] = {}
        for mail in mails:
            if mail.marks.bounce or mail.marks.auto_reply or mail.marks.mailing_list or mail.marks.ambiguous_from:
                continue
            for person in mail.participants:
                if person.role is Role.FROM:
                    counts[person.address] = counts.get(person.address, 0) + 1
                    names[person.address] = names.get(person.address) or person.name
        known = {*await self._record_addresses.known(counts), *await self._colleagues.own_among(counts)}
        found = [SuggestedAddress(address=one, name=names[one], emails=counts[one]) for one in counts.keys() - known]
        return sorted(found, key=lambda one: (-one.emails, one.address))

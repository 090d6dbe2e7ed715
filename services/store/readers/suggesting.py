"""Addresses that may also belong to a record: unknown to the CRM, but writing in the record's threads."""

from __future__ import annotations

from schemas.mail import Role
from schemas.records import RecordRef
from services.store.access.guard import Guard
from services.store.core.colleagues import Colleagues
from services.store.crm.record_addresses import RecordAddresses
from services.store.readers.candidates import on_record
from services.store.readers.views import SuggestedAddress
from services.store.readers.visible_lines import VisibleLines


class Suggesting:
    """Suggests secondary addresses. It never adds one: a user of the CRM decides."""

    def __init__(
        self,
        *,
        guard: Guard,
        lines: VisibleLines,
        colleagues: Colleagues,
        record_addresses: RecordAddresses,
    ) -> None:
        self._guard = guard
        self._lines = lines
        self._colleagues = colleagues
        self._record_addresses = record_addresses

    async def suggested_addresses(self, viewer: str, record: RecordRef) -> list[SuggestedAddress]:
        """Return the unknown senders of mail that is on a record by its thread alone, as far as the viewer sees it.

        The answer omits colleagues, addresses of records that the viewer may read, and automatic and mailing-list mail. An address
        of another record is suggested, because its absence would reveal the record. Most mails first.
        """
        user = await self._guard.viewer(viewer)
        scope = on_record(record, **{"matches.role": Role.THREAD.value})
        mails = await self._lines.lines(user, await self._lines.in_scope(user, scope))
        names: dict[str, str] = {}
        counts: dict[str, int] = {}
        for mail in mails:
            marks = mail.marks
            if marks.bounce or marks.auto_reply or marks.auto_generated or marks.mailing_list or marks.ambiguous_from:
                continue
            for person in mail.participants:
                if person.role is Role.FROM:
                    counts[person.address] = counts.get(person.address, 0) + 1
                    names[person.address] = names.get(person.address) or person.name
        records = await self._record_addresses.known(counts)
        readable = await self._guard.readable(user, {ref for refs in records.values() for ref in refs})
        known = {address for address, refs in records.items() if not readable.isdisjoint(refs)}
        known |= await self._colleagues.own_among(counts)
        found = [SuggestedAddress(address=one, name=names[one], emails=counts[one]) for one in counts.keys() - known]
        return sorted(found, key=lambda one: (-one.emails, one.address))

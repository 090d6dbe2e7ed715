"""Addresses that may be a record's, too: those that answer in its threads and that the CRM does not know."""

from __future__ import annotations

from schemas.emails import Link
from schemas.mail import Role
from schemas.records import RecordRef
from services.store.access.guard import prefilter
from services.store.access.lines import Lines
from services.store.access.views import SuggestedAddress, VisibleEmail
from services.store.core.documents import Doc, decode
from services.store.crm.records import Records

_BATCH = 100


class Suggesting(Lines):
    """The part of ``reading`` that offers secondary addresses. Nothing is ever added by itself: whoever keeps the CRM decides."""

    _records: Records

    async def suggested_addresses(self, viewer: str, record: RecordRef) -> list[SuggestedAddress]:
        """Return the unknown addresses that wrote mail which is on a record by its thread alone, as far as the viewer sees it.

        Left out are colleagues, addresses of any record, and mail that a machine or a list sent. Most mails first.

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
            judged = await self._guard.judge(user, links[start : start + _BATCH])
            mails += await self._lines(user, [one for one in judged if one.visible])
        names: dict[str, str] = {}
        counts: dict[str, int] = {}
        for mail in mails:
            if mail.marks.bounce or mail.marks.auto_reply or mail.marks.mailing_list or mail.marks.ambiguous_from:
                continue
            for person in mail.participants:
                if person.role is Role.FROM:
                    counts[person.address] = counts.get(person.address, 0) + 1
                    names[person.address] = names.get(person.address) or person.name
        known = {*await self._records.known(counts), *await self._accounts.own_among(counts)}
        found = [SuggestedAddress(address=one, name=names[one], emails=counts[one]) for one in counts.keys() - known]
        return sorted(found, key=lambda one: (-one.emails, one.address))

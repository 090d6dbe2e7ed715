"""A copy of everything that is stored about an address, for the person whose it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from schemas.accounts import Account
from schemas.base import Contract
from schemas.mail import Content
from schemas.records import RecordRef
from services.store.admin.subjects import Mentioned, Subjects
from services.store.core.audit import Audit, AuditEntry
from services.store.crm.records import Records
from services.store.mail.blobs import Blobs
from services.store.mail.dead_letters import DeadLetter
from services.store.mail.emails import Emails
from services.store.mail.raw_mail import without_traces
from services.store.sync.accounts import Accounts
from services.store.sync.folders import Folders
from services.store.sync.ledger import Ledger


class ExportedRecord(Contract):
    """A lead or contact that has or had the address."""

    record: RecordRef
    name: str = ""
    company: str | None = None
    owner: str | None = None
    addresses: tuple[str, ...] = ()
    in_crm: bool
    """False for one that the CRM does not have any more."""


class ExportedCopy(Contract):
    """Where a copy lies."""

    account: str
    """The account's address."""
    folder: str
    flags: tuple[str, ...] = ()
    size: int = 0
    received_at: datetime


class ExportedEmail(Contract):
    """An email that names the address, or is on a record because of it. What it says is in files beside."""

    email: str
    sent_at: datetime
    subject: str
    roles: tuple[str, ...]
    """What the address is in it: ``from``, ``to`` …; ``bcc`` where a copy says so; ``thread`` where it does not name it."""
    records: tuple[RecordRef, ...]
    copies: tuple[ExportedCopy, ...]


class Dossier(NamedTuple):
    """Everything but the contents of emails."""

    address: str
    records: list[ExportedRecord]
    accounts: list[dict[str, Any]]
    """Connected mailboxes whose owner, address or alias it is; without credentials."""
    emails: list[ExportedEmail]
    unread: list[ExportedCopy]
    """Copies of mail that names it and was not brought in: where they lie is all that is known."""
    dead_letters: list[DeadLetter]
    audit: list[AuditEntry]


class Exporting:
    """The part of ``privacy`` that hands out. It reads past the rule of sharing: only an administrator's act may call it."""

    def __init__(
        self,
        *,
        subjects: Subjects,
        records: Records,
        accounts: Accounts,
        folders: Folders,
        ledger: Ledger,
        emails: Emails,
        blobs: Blobs,
        audit: Audit,
    ) -> None:
        self._subjects = subjects
        self._records = records
        self._accounts = accounts
        self._folders = folders
        self._ledger = ledger
        self._emails = emails
        self._blobs = blobs
        self._audit = audit

    async def export(self, address: str, *, by: str) -> Dossier:
        """Return everything that is stored about a normal address, and note in the audit log that it was asked for."""
        accounts = {account.id: account for account in await self._accounts.list()}
        names = await self._folders.names(accounts)
        emails = [
            email
            async for part in self._subjects.mentions(address)
            for email in await self._told(part, address, accounts, names)
        ]
        unread = [
            ExportedCopy(
                account=accounts[row.account].address,
                folder=names.get((row.account, row.folder), ""),
                flags=row.flags,
                size=row.size,
                received_at=row.internal_date,
            )
            async for row in self._subjects.marked(address)
            if row.account in accounts
        ]
        own = [account for account in accounts.values() if address in {account.owner, *account.own_addresses}]
        dossier = Dossier(
            address=address,
            records=await self._of_records(address),
            accounts=[_account(account) for account in own],
            emails=emails,
            unread=unread,
            dead_letters=await self._subjects.letters(address),
            audit=await self._entries(address, own),
        )
        await self._audit.add(
            "privacy.export", by=by, subject=self._subjects.audit_name(address), emails=len(emails), copies=len(unread)
        )
        return dossier

    async def contents(self, emails: Iterable[ExportedEmail]) -> AsyncIterator[Content]:
        """Iterate over what emails say; one that went meanwhile is left out."""
        for email in emails:
            if (found := await self._emails.get(email.email)) is not None:
                yield found.content

    async def raw(self, content: Content) -> bytes:
        """Return a mail as a server had it, without Bcc and traces: those name others, see ``raw_mail``.

        Raises:
            NotFoundError: it went meanwhile.
        """
        return without_traces(await self._blobs.get(content.raw))

    async def _told(
        self,
        mentioned: Iterable[Mentioned],
        address: str,
        accounts: dict[str, Account],
        names: dict[tuple[str, str], str],
    ) -> list[ExportedEmail]:
        keys = {email.key: email for email in mentioned}
        contents = await self._emails.contents(keys)
        copies = await self._ledger.live_copies(keys)
        found = []
        for key, content in contents.items():
            held = [row for row in copies.get(key, ()) if row.account in accounts]
            roles = [one.role.value for one in content.participants if one.address == address]
            roles += ["bcc" for row in held if address in row.bcc]
            roles += [
                match.role.value for link in keys[key].of(address) for match in link.matches if match.address == address
            ]
            found.append(
                ExportedEmail(
                    email=key,
                    sent_at=content.sent_at,
                    subject=content.subject,
                    roles=tuple(dict.fromkeys(roles)),
                    records=tuple(link.record for link in keys[key].of(address)),
                    copies=tuple(
                        ExportedCopy(
                            account=accounts[row.account].address,
                            folder=names.get((row.account, row.folder), ""),
                            flags=row.flags,
                            received_at=row.internal_date,
                        )
                        for row in held
                    ),
                )
            )
        return found

    async def _of_records(self, address: str) -> list[ExportedRecord]:
        refs = await self._subjects.records_of(address)
        present = await self._records.read_many(refs)
        found = []
        for ref in refs:
            record = present.get(ref)
            known = [one.address for one in await self._records.addresses_of(ref)]
            found.append(
                ExportedRecord(
                    record=ref,
                    name=record.name if record else "",
                    company=record.company if record else None,
                    owner=record.owner if record else None,
                    addresses=tuple(dict.fromkeys([*(record.addresses if record else ()), *known])),
                    in_crm=record is not None,
                )
            )
        return found

    async def _entries(self, address: str, own: Iterable[Account]) -> list[AuditEntry]:
        subjects = [self._subjects.audit_name(address), f"user:{address}", *(f"account:{one.id}" for one in own)]
        return await self._audit.about(by=address, subjects=subjects)


def _account(account: Account) -> dict[str, Any]:
    shown = account.model_dump(mode="json", exclude={"credentials"})
    return {name: shown[name] for name in ("id", "owner", "address", "aliases", "state", "sharing", "created_at")}

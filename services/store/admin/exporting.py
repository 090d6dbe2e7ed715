"""A copy of everything stored about an address, for its owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from schemas.accounts import Account
from schemas.ledger import Row
from schemas.mail import Content, Role
from schemas.records import Record
from services.store.access.users import Users
from services.store.admin.data_subjects import AT_ONCE, DataSubjects, Mentioned
from services.store.admin.exported import Dossier, ExportedCopy, ExportedEmail, ExportedRecord
from services.store.core.audit import Audit, AuditEntry
from services.store.core.bulk import batched
from services.store.crm.record_addresses import RecordAddresses
from services.store.crm.records import Records
from services.store.ledger.folders import Folders
from services.store.ledger.ledger import Ledger
from services.store.ledger.row_views import LiveRow
from services.store.mail.blobs import Blobs
from services.store.mail.deleted_emails import DeletedEmails, KeptEmail
from services.store.mail.emails import Emails
from services.store.mail.raw_forms import RawCopy, RawForms
from services.store.sync.accounts import Accounts

_OF_TEAMS = {"account.add", "account.members", "account.share", "account.own"}
"""Entries of the audit log that name members."""
_PEOPLE = ("before", "after", "members")


class Exporting:
    """Exports for an administrator, without applying the sharing rule. For anyone else it raises NotAllowedError or NotFoundError."""

    def __init__(
        self,
        *,
        users: Users,
        data_subjects: DataSubjects,
        records: Records,
        record_addresses: RecordAddresses,
        accounts: Accounts,
        folders: Folders,
        ledger: Ledger,
        emails: Emails,
        deleted_emails: DeletedEmails,
        blobs: Blobs,
        audit: Audit,
    ) -> None:
        self._users = users
        self._data_subjects = data_subjects
        self._records = records
        self._record_addresses = record_addresses
        self._accounts = accounts
        self._folders = folders
        self._ledger = ledger
        self._emails = emails
        self._deleted = deleted_emails
        self._raw = RawForms(blobs)
        self._audit = audit

    async def export(self, address: str, *, by: str) -> Dossier:
        """Return everything stored about a normal address but the contents of its emails, and record that in the audit log."""
        by = (await self._users.administrator(by)).email
        emails = [
            email
            async for part in self._data_subjects.mentions(address)
            for email in await self._exported(part, address)
        ]
        emails += [_deleted(one, address) async for one in self._deleted.mentioning(address)]
        unread = [
            copy
            async for rows in batched(self._data_subjects.unread(address), AT_ONCE)
            for copy in await self._unread(rows)
        ]
        concerned = await self._accounts.concerning(address)
        own = [account for account in concerned if address in {*account.holders, *account.own_addresses}]
        dossier = Dossier(
            address=address,
            records=await self._of_records(address),
            accounts=[_account(account, address) for account in own],
            emails=emails,
            unread=unread,
            dead_letters=await self._data_subjects.dead_letters(address),
            audit=await self._entries(address, own),
        )
        await self._audit.add(
            "privacy.export",
            by=by,
            subject=self._data_subjects.audit_names(address)[0],
            emails=len(emails),
            copies=len(unread),
        )
        return dossier

    async def contents(self, emails: Iterable[ExportedEmail]) -> AsyncIterator[Content]:
        """Iterate over the contents of emails, without emails deleted permanently meanwhile."""
        for email in emails:
            if found := await self._emails.get(email.email) or await self._deleted.get(email.email):
                yield found.content

    async def raw(self, content: Content) -> bytes:
        """Return a raw mail without header fields that may name other people, see ``schemas.raw_mail``.

        Raises:
            NotFoundError: it was deleted meanwhile.
        """
        copies: Sequence[RawCopy] = (await self._ledger.live_copies([content.key])).get(content.key, [])
        if not copies and (kept := await self._deleted.get(content.key)):
            copies = kept.copies
        return await self._raw.shown(copies, content)

    async def _places(self, rows: Iterable[Row | LiveRow]) -> tuple[dict[str, Account], dict[tuple[str, str], str]]:
        """Return the accounts of rows, and the names of their folders."""
        accounts = await self._accounts.of_ids(row.account for row in rows)
        return accounts, await self._folders.names(accounts)

    async def _unread(self, rows: Iterable[Row]) -> list[ExportedCopy]:
        accounts, names = await self._places(rows)
        return [_copy(row, accounts, names, size=row.size) for row in rows if row.account in accounts]

    async def _exported(self, mentioned: Iterable[Mentioned], address: str) -> list[ExportedEmail]:
        keys = {email.key: email for email in mentioned}
        contents = await self._emails.contents(keys)
        copies = await self._ledger.copies(keys)
        accounts, names = await self._places(row for rows in copies.values() for row in rows)
        found = []
        for key, content in contents.items():
            held = [row for row in copies.get(key, ()) if row.account in accounts]
            people = {one.address for one in content.participants} | {address}
            named = [row for row in held if not people.isdisjoint(accounts[row.account].own_addresses)]
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
                    copies=tuple(_copy(row, accounts, names) for row in named),
                )
            )
        return found

    async def _of_records(self, address: str) -> list[ExportedRecord]:
        refs = await self._data_subjects.records_of(address)
        present = await self._records.read_many(refs)
        found = []
        for ref in refs:
            record = present.get(ref, Record(ref=ref))
            known = [one.address for one in await self._record_addresses.addresses_of(ref)]
            found.append(
                ExportedRecord(
                    record=ref,
                    name=record.name,
                    company=record.company,
                    owner=record.owner,
                    addresses=tuple(dict.fromkeys([*record.addresses, *known])),
                    in_crm=ref in present,
                )
            )
        return found

    async def _entries(self, address: str, own: Iterable[Account]) -> list[AuditEntry]:
        subjects = [*self._data_subjects.audit_names(address), f"user:{address}", *(f"account:{one.id}" for one in own)]
        shared = {f"account:{one.id}" for one in own if one.shared}
        found = [_of_person(entry, address) for entry in await self._audit.about(by=address, subjects=subjects)]
        return [one for one in found if one.subject not in shared or one.by == address or _moves(one)]


def _of_person(entry: AuditEntry, address: str) -> AuditEntry:
    """Return an entry without the other members of a team: who they are is not about this person."""
    if entry.action not in _OF_TEAMS:
        return entry
    details = {name: _only(value, address) if name in _PEOPLE else value for name, value in entry.details.items()}
    return entry.model_copy(update={"details": details})


def _only(value: Any, address: str) -> list[str]:
    return [one for one in ([value] if isinstance(value, str) else value) if one == address]


def _moves(entry: AuditEntry) -> bool:
    """Whether an entry, as ``_of_person`` returns it, says that the person became or ceased to be a holder."""
    before, after, members = (entry.details.get(name) for name in _PEOPLE)
    return entry.action in _OF_TEAMS and (before != after or bool(members))


def _copy(
    row: Row | LiveRow, accounts: Mapping[str, Account], names: Mapping[tuple[str, str], str], *, size: int = 0
) -> ExportedCopy:
    return ExportedCopy(
        account=accounts[row.account].address,
        folder=names.get((row.account, row.folder), ""),
        flags=row.flags,
        size=size,
        received_at=row.internal_date,
    )


def _deleted(kept: KeptEmail, address: str) -> ExportedEmail:
    roles = [one.role.value for one in kept.content.participants if one.address == address]
    roles += ["bcc" for copy in kept.copies if address in copy.bcc]
    return ExportedEmail(
        email=kept.content.key,
        sent_at=kept.content.sent_at,
        subject=kept.content.subject,
        roles=tuple(dict.fromkeys(roles)) or (Role.THREAD.value,),
        records=(),
        copies=(),
        deleted_at=kept.at,
        kept_until=kept.until,
    )


def _account(account: Account, address: str) -> dict[str, Any]:
    shown = account.model_dump(mode="json", exclude={"credentials"})
    names = ("id", "owner", "address", "aliases", "proofs", "state", "sharing", "created_at")
    for proof in shown["proofs"] if account.shared else ():
        proof["by"] = proof["by"] if proof["by"] == address else ""  # else another member's, who is not its subject
    return {name: shown[name] for name in names} | {"unproven": list(account.unproven)}

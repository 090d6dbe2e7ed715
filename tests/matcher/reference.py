"""Reference model of the stored end state: which emails, links and rows there should be. It shares no code with the services."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.accounts import Account
from schemas.mail import Content
from schemas.messages import MailParsed
from tests.factories import SENT


class Truth(NamedTuple):
    """The end state, in a form that can be compared with the store."""

    emails: dict[str, bool]
    """Whether an email's links come from its thread alone, by key."""
    links: dict[tuple[str, str], tuple[tuple[tuple[str, str, str], ...], tuple[str, ...], tuple[str, ...]]]
    """(matches, owners, accounts that share) by (record, key)."""
    rows: dict[str, tuple[str, str | None]]
    """(state, email) by row."""
    counts: dict[str, int]
    """Number of shared mails by record; records without any are left out."""
    attestations: dict[tuple[str, str], tuple[tuple[str, str], ...]]
    """(owner, address) of the users whose own mail attests the thread, by (record, key); only for links by thread alone."""


Reason = tuple[str, str, str]
"""Address, role, and for Bcc the account."""


def reference(  # noqa: C901, PLR0912, PLR0915 - one straight reading of the rules, not made of parts
    *,
    mails: Sequence[Content],
    copies: Sequence[MailParsed],
    gone: Collection[str],
    deleted: Collection[str],
    records: Mapping[str, Iterable[str]],
    accounts: Mapping[str, Account],
    excluded: Collection[str] = (),
) -> Truth:
    """Return the expected end state.

    Args:
        mails: all emails, each after those it refers to.
        copies: all copies that ever existed.
        gone: rows of copies that are gone.
        deleted: keys of emails that were deleted in the CRM.
        records: addresses by record (``kind:id``), former addresses included.
        accounts: accounts by id.
        excluded: domains that the administrator excludes.
    """
    truth = Truth({}, {}, {}, {}, {})
    own = {address for account in accounts.values() for address in _belonging(account)}
    # What each user's own mail says, apart from everyone else's: (user, Message-ID) -> for each mail, its external
    # records and whether this user sent it.
    passing: dict[tuple[str, str], list[tuple[dict[str, str], bool]]] = {}
    for mail in mails:
        mine = [copy for copy in copies if copy.content.key == mail.key]
        live = [copy for copy in mine if copy.source.id not in gone]
        truth.rows.update({copy.source.id: ("gone", None) for copy in mine if copy.source.id in gone})
        if mail.key in deleted:
            truth.rows.update({copy.source.id: ("skipped", None) for copy in live})
            continue
        text: dict[str, set[Reason]] = {}
        for person in mail.participants:
            for record, addresses in records.items():
                if person.address in addresses:
                    text.setdefault(record, set()).add((person.address, str(person.role), ""))
        named = bool(text)
        users = sorted({accounts[copy.source.account].owner for copy in live})
        vouching: dict[str, dict[str, str]] = {}
        if not named and any(person.address not in own for person in mail.participants):
            ids = [name for name in {mail.in_reply_to, *mail.references} if name and name != mail.message_id]
            for user in users:
                heirs: dict[str, str] = {}
                opened: set[str] = set()
                for thread, sent in (one for name in ids for one in passing.get((user, name), ())):
                    opened.update(thread if sent else ())
                    for record, address in thread.items():
                        heirs[record] = min(address, heirs.get(record, address))
                if len(heirs) == 1 and opened:
                    vouching[user] = heirs
                    for record, address in heirs.items():
                        text.setdefault(record, set()).add((address, "thread", ""))
                        truth.attestations[record, mail.key] = (
                            *truth.attestations.get((record, mail.key), ()),
                            (user, address),
                        )
        links: dict[str, set[Reason]] = {record: set(reasons) for record, reasons in text.items()}
        attached = []
        for copy in live:
            blind = {
                record: {(one, "bcc", copy.source.account) for one in copy.bcc if one in addresses}
                for record, addresses in records.items()
            }
            blind = {record: reasons for record, reasons in blind.items() if reasons}
            if named or accounts[copy.source.account].owner in vouching or blind:
                attached.append((copy, {*text, *blind}))
                truth.rows[copy.source.id] = ("attached", mail.key)
            else:
                truth.rows[copy.source.id] = ("unmatched", None)
            for record, reasons in blind.items():
                links.setdefault(record, set()).update(reasons)
        if not attached:
            continue
        truth.emails[mail.key] = not named
        for record, reasons in links.items():
            holding = [(copy, accounts[copy.source.account]) for copy, theirs in attached if record in theirs]
            owners = {account.owner for _, account in holding}
            shared = {
                account.id
                for copy, account in holding
                if not (mail.marks.bounce and copy.bcc)  # whose text names whom the copy has in Bcc
                and any(
                    _shared(account, reason, mail, excluded, internal=own, attesting=vouching) for reason in reasons
                )
            }
            truth.links[record, mail.key] = (tuple(sorted(reasons)), tuple(sorted(owners)), tuple(sorted(shared)))
            if shared:
                truth.counts[record] = truth.counts.get(record, 0) + 1
        told = {
            record: min(outside)
            for record, reasons in links.items()
            if (outside := [address for address, role, _ in reasons if role != "bcc" and address not in own])
        }
        senders = {one.address for one in mail.participants if one.role == "from"}
        sending = {
            account.owner
            for copy in live
            for account in [accounts[copy.source.account]]
            if copy.source.folder == SENT and senders and not senders - _belonging(account)
        }
        for user in users if mail.message_id else ():
            if named or user in sending:
                says = told if named else vouching.get(user, {})
                passing.setdefault((user, str(mail.message_id)), []).append((says, user in sending))
    return truth


def _shared(
    account: Account,
    reason: Reason,
    mail: Content,
    excluded: Collection[str],
    *,
    internal: Collection[str],
    attesting: Collection[str],
) -> bool:
    address, role, _ = reason
    mode = account.sharing.mode
    domains = {*excluded, *(account.sharing.excluded_domains if mode == "custom" else ())}
    if mode == "private" or role == "bcc" or address in internal or _inside(address, domains):
        return False
    if role == "thread" and account.owner not in attesting:
        return False
    others = {person.address for person in mail.participants}
    return any(not _inside(other, domains) for other in others - {*_belonging(account), *internal})


def _belonging(account: Account) -> set[str]:
    """Return the addresses that are an account's: of those that it names, what is proven and its owner's address in the CRM."""
    proven = {proof.address for proof in account.proofs}
    return {one for one in (account.address, *account.aliases) if one in proven or one == account.owner}


def _inside(address: str, domains: Collection[str]) -> bool:
    domain = address.split("@")[1]
    return any(domain == one or domain.endswith(f".{one}") for one in domains)


def snapshot_of(emails: Iterable[Any], links: Sequence[Any], rows: Iterable[Any], counts: dict[str, int]) -> Truth:
    """Return what the store's documents say, in the same form."""
    return Truth(
        {email["_id"]: email["by_thread"] for email in emails},
        {
            (f"{link['record']['kind']}:{link['record']['id']}", link["email"]): (
                tuple(sorted((one["address"], one["role"], one["account"] or "") for one in link["matches"])),
                tuple(sorted(link["owners"])),
                tuple(sorted(link["shared_by"])),
            )
            for link in links
        },
        {row["_id"]: (row["state"], row.get("email") if row["state"] == "attached" else None) for row in rows},
        counts,
        {
            (f"{link['record']['kind']}:{link['record']['id']}", link["email"]): attestations
            for link in links
            if (attestations := tuple(sorted((one["owner"], one["address"]) for one in link["vouchers"])))
        },
    )

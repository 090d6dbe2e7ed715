"""Computes the required end state, single-threaded: relevance, records, threads, sharing. Shares no code with the services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial

from testbed.chaos.proof.expected import ExpectedState, Mailowner, Reason, RecordLink
from testbed.chaos.proof.reader import Held, ServerMail

SENT = b"Sent"
"""The folder of sent mail, as the servers of the run name it."""


def work_out(
    held: Sequence[Held],
    *,
    records: Mapping[str, Collection[str]],
    accounts: Mapping[str, Mailowner],
    viewers: Collection[str],
    excluded: Collection[str],
) -> ExpectedState:
    """Return the truth.

    A draft was never sent: nothing follows from it. A copy that its owner marked as deleted grants no one anything. What it
    says is still recorded, without an owner, because it counts again once the mark is removed.

    Args:
        held: every copy that the mail servers have.
        records: addresses by record.
        accounts: by id.
        viewers: the users; all of them may read every record.
        excluded: domains that the administrator excludes.
    """
    of = partial(_of_live, records=records, accounts=accounts, viewers=viewers, excluded=excluded)
    sent = [each for each in held if "\\Draft" not in each.flags]
    unmarked = [each for each in sent if "\\Deleted" not in each.flags]
    truth = of(unmarked)
    if len(unmarked) < len(sent):
        everything = of(sent)
        asleep = {key: RecordLink(link.reasons, frozenset(), frozenset()) for key, link in everything.links.items()}
        truth = truth._replace(
            states={**everything.states, **truth.states},
            links={**asleep, **truth.links},
            identities=everything.identities,
        )
    truth.states.update({each.copy: "skipped" for each in held if "\\Draft" in each.flags})
    truth.identities.update({each.copy: each.mail.identity for each in held})
    return truth


def _of_live(
    held: Sequence[Held],
    *,
    records: Mapping[str, Collection[str]],
    accounts: Mapping[str, Mailowner],
    viewers: Collection[str],
    excluded: Collection[str],
) -> ExpectedState:
    """Return the truth of copies that all count."""
    truth = ExpectedState({}, {each.copy: each.mail.identity for each in held}, {}, defaultdict(set), {}, {})
    by_address: dict[str, list[str]] = defaultdict(list)
    for record, addresses in records.items():
        for address in addresses:
            by_address[address].append(record)
    copies: dict[str, list[Held]] = defaultdict(list)
    for each in held:
        copies[each.mail.identity].append(each)
    colleagues = frozenset[str]().union(*(account.own for account in accounts.values()))
    having = {identity: {accounts[one.copy.account].owner for one in each} for identity, each in copies.items()}
    mails = {identity: each[0].mail for identity, each in copies.items()}
    sending = {
        identity: {accounts[one.copy.account].owner for one in each if _is_sent(one, accounts[one.copy.account])}
        for identity, each in copies.items()
    }
    texts, attesting = _texts(mails, having, sending, by_address, colleagues)
    for identity, several in copies.items():
        people = {address for address, _ in several[0].mail.participants}
        reasons: dict[str, set[Reason]] = defaultdict(set)
        holders: dict[str, list[Held]] = defaultdict(list)
        for each in several:
            blind = {
                (record, (address, "bcc", each.copy.account))
                for address in each.mail.bcc
                for record in by_address.get(address, ())
            }
            owner = accounts[each.copy.account].owner
            by_thread = all(role == "thread" for _, (_, role, _) in texts[identity])
            kept = blind or (texts[identity] and not by_thread)
            kept = kept or any(owner in attesting[record, identity] for record, _ in texts[identity])
            truth.states[each.copy] = "attached" if kept else "unmatched"
            for record, reason in texts[identity] | blind if kept else ():
                reasons[record].add(reason)
                holders[record].append(each)
            for user in accounts[each.copy.account].users:
                truth.bcc[user, identity] = truth.bcc.get((user, identity), frozenset()) | each.mail.bcc
        for record, why in reasons.items():
            sharing = frozenset(
                each.copy.account
                for each in holders[record]
                if _shares(
                    accounts[each.copy.account],
                    why,
                    people | each.mail.bcc,
                    excluded,
                    colleagues=colleagues,
                    attesting=attesting[record, identity],
                )
            )
            owners = frozenset(accounts[each.copy.account].owner for each in holders[record])
            truth.links[record, identity] = RecordLink(frozenset(why), owners, sharing)
            # Only a holder whom the mail does not name (in Bcc, or on a list) may know that they have it.
            mentioned = {_known_as(accounts[one]) for one in sharing if accounts[one].own & people}
            having_it = [accounts[each.copy.account] for each in holders[record]]
            for viewer in viewers if sharing else set[str]().union(*(one.users for one in having_it)):
                truth.visible[viewer, record].add(identity)
                own = {_known_as(one) for one in having_it if viewer in one.users}
                known = mentioned | own | truth.holders.get((viewer, identity), frozenset())
                truth.holders[viewer, identity] = frozenset(known)
    return truth


def _known_as(account: Mailowner) -> str:
    """Return by what name others learn who holds a copy in an account. They do not learn who is in a team."""
    return account.address if account.members else account.owner


def _texts(
    mails: Mapping[str, ServerMail],
    having: Mapping[str, Collection[str]],
    sending: Mapping[str, Collection[str]],
    by_address: Mapping[str, Sequence[str]],
    colleagues: frozenset[str],
) -> tuple[dict[str, set[tuple[str, Reason]]], dict[tuple[str, str], set[str]]]:
    """Return the records of each email that do not come from a Bcc, with the reasons; and whose mail says so of a thread.

    An email that names no record is on that of its thread, where it answers an email that the user sent and all that it
    answers is about exactly one external record; unless it is among colleagues. Each user's mail is considered on its own:
    what one user has in their mailboxes says nothing about the thread of mail that only others have.
    """
    found = {
        identity: {
            (record, (address, role, ""))
            for address, role in mail.participants
            for record in by_address.get(address, ())
        }
        for identity, mail in mails.items()
    }
    named = {identity for identity, why in found.items() if why}
    of_id: dict[str, list[str]] = defaultdict(list)
    for identity, mail in mails.items():
        if mail.message_id:
            of_id[mail.message_id].append(identity)
    attesting: dict[tuple[str, str], set[str]] = defaultdict(set)
    for user in set[str]().union(*having.values()):
        theirs = {identity: mails[identity] for identity, users in having.items() if user in users}
        says = {identity: found[identity] if identity in named else set() for identity in theirs}
        mine = {identity for identity in theirs if user in sending[identity]}
        while _handed_down(theirs, says, named, mine, of_id, colleagues):  # so that no order matters
            pass
        for identity in theirs.keys() - named:
            found[identity] |= says[identity]
            for record, _ in says[identity]:
                attesting[record, identity].add(user)
    return found, attesting


def _is_sent(held: Held, account: Mailowner) -> bool:
    """Whether a copy was sent by the account's owner: it is in the Sent folder, and from an address of the account."""
    senders = {address for address, role in held.mail.participants if role == "from"}
    return held.copy.folder == SENT and bool(senders) and senders <= account.own


def _handed_down(  # noqa: PLR0917 - each is a view of one user's mail
    theirs: Mapping[str, ServerMail],
    says: dict[str, set[tuple[str, Reason]]],
    named: Collection[str],
    mine: Collection[str],
    of_id: Mapping[str, Sequence[str]],
    colleagues: frozenset[str],
) -> bool:
    """Give each email of a user the record of the emails that it refers to. Returns whether that changed anything.

    An email that names no record passes nothing on unless the user sent it (is in ``mine``): others can forge what a user receives.
    """
    changed = False
    for identity in theirs.keys() - named:
        mail = theirs[identity]
        if all(address in colleagues for address, _ in mail.participants):
            continue
        heirs: dict[str, str] = {}
        opened: set[str] = set()
        ancestors = theirs.keys() & {other for name in mail.references for other in of_id.get(name, ())} - {identity}
        for other in ancestors & {*named, *mine}:
            for record, (address, _, _) in says[other]:
                if address not in colleagues:
                    heirs[record] = min(address, heirs.get(record, address))
                    opened |= {record} if other in mine else set()
        agreed = len(heirs) == 1 and opened
        now = {(record, (address, "thread", "")) for record, address in heirs.items()} if agreed else set()
        if now != says[identity]:
            says[identity], changed = now, True
    return changed


def _shares(
    account: Mailowner,
    reasons: Collection[Reason],
    people: Collection[str],
    company: Collection[str],
    *,
    colleagues: Collection[str],
    attesting: Collection[str],
) -> bool:
    """Whether an account's copy shares a link: by any of its reasons that is neither internal nor a thread of others."""
    if account.mode == "private":
        return False
    domains = {*company, *(account.excluded if account.mode == "custom" else ())}
    if all(_inside(address, domains) for address in set(people) - account.own - set(colleagues)):
        return False
    return any(
        role != "bcc"
        and address not in colleagues
        and not _inside(address, domains)
        and (role != "thread" or account.owner in attesting)
        for address, role, _ in reasons
    )


def _inside(address: str, domains: Collection[str]) -> bool:
    labels = address.rpartition("@")[2].split(".")
    return any(".".join(labels[start:]) in domains for start in range(len(labels)))

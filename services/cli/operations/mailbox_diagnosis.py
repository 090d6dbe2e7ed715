"""Turns findings about mailboxes, people and records into checks: what is wrong and what to do. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from schemas.accounts import Account, AccountState
from schemas.records import RecordRef
from services.cli.operations.diagnosis import Check, State
from services.mailbox import advice as advice_on
from services.mailbox.connection import SealedSample
from services.store import AccountGroup, TroubleGroup
from services.wording import age, plural

_EXAMPLES = 3
LASTING = timedelta(days=1)
"""What hinders an account for so long is wrong, and no warning."""


def mail(accounts: Mapping[AccountGroup, int], dead_letters: int) -> Iterable[Check]:
    """Check for accounts and messages that need a decision."""
    blocked = sum(count for group, count in accounts.items() if group.state is AccountState.BLOCKED)
    if blocked:
        advice = "`leadmail account list` shows which and why; docs/operations.md, blocked accounts, says what to do."
        yield Check("accounts", State.WARNING, f"{blocked} blocked", advice)
    else:
        yield Check("accounts", State.FINE, "none is blocked")
    if dead_letters:
        yield Check("dead letters", State.WARNING, f"{dead_letters} to review", "See `leadmail dead-letters list`.")
    else:
        yield Check("dead letters", State.FINE, "none")


def troubles(found: Sequence[TroubleGroup]) -> Iterable[Check]:
    """Check for active accounts that cannot go on. What lasts for a day does not pass by itself."""
    for one in found:
        lasts = datetime.now(UTC) - one.oldest >= LASTING
        words = f"{plural(one.accounts, 'account')}, the oldest for {age(one.oldest)}: {advice_on.cause(one.code)}"
        advice = f"{advice_on.what_to_do(one.code)} `leadmail account list` shows which."
        yield Check(f"trouble: {one.code}", State.WRONG if lasts else State.WARNING, words, advice)
    if not found:
        yield Check("trouble", State.FINE, "every active account can go on")


def without_members(accounts: Iterable[Account]) -> Iterable[Check]:
    """Check for shared mailboxes of which every member was removed: nobody sees their mail as a member, or is told of them."""
    found = [one.address for one in accounts if not one.holders and one.state is not AccountState.DISCONNECTED]
    if found:
        several = f"{', '.join(found[:_EXAMPLES])}{' and others' * (len(found) > _EXAMPLES)}: no member is left"
        advice = f"Add one: `leadmail account members {found[0]} --add EMAIL`; or disconnect it."
        yield Check("shared mailboxes", State.WARNING, several, advice)


def repeated_ids(accounts: int, ids: int) -> Iterable[Check]:
    """Check for Message-IDs that different mails of one mailbox carry: mail may have been forged to take a thread off a page."""
    if ids:
        found = f"{plural(ids, 'is', 'are')} carried by different mails, in {plural(accounts, 'mailbox', 'mailboxes')}"
        advice = "`leadmail status` shows in which; docs/operations.md, repeated Message-IDs, says what it means."
        yield Check("Message-IDs", State.WARNING, found, advice)
    else:
        yield Check("Message-IDs", State.FINE, "each is carried by one mail of a mailbox")


def unreadable_addresses(records: Sequence[RecordRef]) -> Iterable[Check]:
    """Check for records with an address in the CRM that cannot be read."""
    name = "CRM addresses"
    if records:
        found = f"{plural(len(records), 'record has', 'records have')} an address that cannot be read: no mail is found by it"
        examples = ", ".join(map(str, records[:_EXAMPLES]))
        yield Check(name, State.WARNING, found, f"Correct it in the CRM, for example of {examples}.")
    else:
        yield Check(name, State.FINE, "each can be read")


def passwords(sample: SealedSample) -> Iterable[Check]:
    """Check that a stored password opens with the secrets of this process."""
    name = "stored passwords"
    if sample.opened:
        yield Check(name, State.FINE, f"one was opened, with the secret {sample.opened}")
    elif sample.tried:
        found = f"none of {sample.tried} opens; they were sealed under {', '.join(sample.sealed_under)}"
        advice = "Set LEADMAIL_SECRET_KEY to the secret that the mailboxes were connected with. Pollers do not start until then."
        yield Check(name, State.WRONG, found, advice)
    else:
        yield Check(name, State.FINE, "there is none to open")


def internal_people(proposed: Sequence[str], records: int) -> Iterable[Check]:
    """Check whether the company's own domains are confirmed, and which records show less because their address is internal."""
    if proposed:
        advice = f"If so, confirm it: `leadmail company domains --add {proposed[0]} --by EMAIL`."
        found = f"{', '.join(proposed)}: not confirmed as the company's own"
        yield Check("company domains", State.WARNING, found, advice)
    else:
        yield Check("company domains", State.FINE, "none to confirm")
    if records:
        advice = "Their pages show each viewer only mail that they hold. `leadmail company domains --open DOMAIN` changes that."
        found = f"{plural(records, 'lead or contact has', 'leads and contacts have')} an internal address"
        yield Check("internal people", State.FINE, found, advice)


def unproven_addresses(found: Sequence[tuple[str, Sequence[str]]]) -> Iterable[Check]:
    """Check for addresses that accounts claim and nothing proves."""
    name = "addresses"
    if found:
        account, claims = found[0]
        advice = (
            "They have no effect. Owners prove them by a code in the console; an administrator can confirm one: "
            f"`leadmail account confirm-address {account} {claims[0]} --by EMAIL`."
        )
        count = sum(len(claims) for _, claims in found)
        state = State.WARNING if any(account in claims for account, claims in found) else State.FINE
        yield Check(name, state, f"{plural(count, 'address is', 'addresses are')} claimed but not proven", advice)
    else:
        yield Check(name, State.FINE, "all are proven")

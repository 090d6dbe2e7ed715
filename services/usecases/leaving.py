"""Users who leave: who they are, what a removal concerns, and the choice of what becomes of their mailboxes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from schemas.accounts import Account, AccountState, User
from services.store import NotAllowedError, Store
from services.wording import plural

if TYPE_CHECKING:
    from services.usecases.connecting.token_revoker import TokenRevoker


class MailboxFate(StrEnum):
    """What becomes of the mailboxes of a user who is removed."""

    DISCONNECT = "disconnect"
    """Their mail stays."""
    PURGE = "purge"
    """Their mail is deleted."""
    TRANSFER = "transfer"
    """Another user owns them."""


class UserLine(NamedTuple):
    """A user as administrators see it."""

    user: User
    sessions: int
    """How many browsers are signed in to the console."""
    accounts: list[Account]


class UserRemovalCounts(NamedTuple):
    """The extent of a user's removal, shown before it is done: numbers only."""

    user: User
    mailboxes: int
    emails: int
    """Distinct emails on records of which the mailboxes hold copies, as far as the caller sees them."""
    only_here: int
    """Those of which the caller may not know any holder but these mailboxes."""


async def user_lines(store: Store) -> list[UserLine]:
    """Return all users with their sessions and mailboxes."""
    sessions = await store.sign_ins.open_sessions()
    accounts: dict[str, list[Account]] = {}
    for account in await store.accounts.get_all():
        for holder in account.holders:
            accounts.setdefault(holder, []).append(account)
    return [
        UserLine(user, sessions.get(user.email, 0), accounts.get(user.email, []))
        for user in await store.users.get_all()
    ]


async def removal_counts(store: Store, email: str, *, asker: str | None = None) -> UserRemovalCounts:
    """Return what a removal concerns, as far as the administrator who asks sees the mail; for the operator, as far as the user does.

    Raises:
        NotFoundError: there is no such user.
    """
    user = await store.users.get(email)
    accounts = [account.id for account in await store.user_lifecycle.concerned(user.email)]
    counts = await store.removal.counts(accounts, asker=asker or user.email)
    return UserRemovalCounts(user, len(accounts), counts.emails, counts.only_here)


def extent(counts: UserRemovalCounts, *, seen_by: str = "they") -> str:
    """Say what a removal of a user concerns."""
    mail = (
        f"{plural(counts.emails, 'email')} on records that {seen_by} can see, "
        f"{counts.only_here:,} of them with no other known holder"
    )
    return f"{counts.user.email} has {plural(counts.mailboxes, 'mailbox', 'mailboxes')} ({mail})."


def outcome(fate: MailboxFate, heir: str = "another user") -> str:
    """Say what becomes of the mailboxes of a user who is removed."""
    return {
        MailboxFate.DISCONNECT: "The mailboxes are disconnected. Their mail stays on the records, shared as it is now.",
        MailboxFate.PURGE: "The mailboxes are deleted with their mail. Emails of which another user holds a copy stay.",
        MailboxFate.TRANSFER: f"The mailboxes are transferred to {heir}, who sees all of their mail from then on.",
    }[fate]


async def refuse_transfer(store: Store, email: str) -> None:
    """Refuse that an administrator gives a user's mailboxes to another user, if nobody signed in to one of them.

    An administrator could connect anyone's mailbox and take it over: only the operator may do that.

    Raises:
        NotAllowedError: Leadmail opens one of them in its own name.
    """
    for account in await store.user_lifecycle.concerned(email):
        if account.app_only and account.state is not AccountState.DISCONNECTED:
            raise NotAllowedError(
                f"Leadmail opens {account.address} in its own name: only the operator may transfer it"
                " (`leadmail user remove --transfer-to`)"
            )


async def remove(
    store: Store,
    email: str,
    fate: MailboxFate,
    *,
    heir: str | None = None,
    by: str,
    revoker: TokenRevoker,
) -> None:
    """Remove a user for good. Tokens of mailboxes that are not transferred are revoked at the mail services.

    Raises:
        NotFoundError: there is no such user, or ``heir`` is not an active user.
        NotAllowedError: it is the last administrator, or ``heir`` is the user.
    """
    leaves = [] if fate is MailboxFate.TRANSFER else await store.user_lifecycle.concerned(email)
    tokens = revoker.tokens(leaves)
    await store.user_lifecycle.remove(
        email, by=by, purge=fate is MailboxFate.PURGE, transfer_to=heir if fate is MailboxFate.TRANSFER else None
    )
    await revoker.revoke(tokens)

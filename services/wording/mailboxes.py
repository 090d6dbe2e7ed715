"""Words for what became of a mailbox: of its mail, its folders, its addresses, and itself."""

from __future__ import annotations

from schemas.accounts import Account, ProofKind

SKIPPED = {
    "too-large": "larger than your company's limit",
    "deleted-in-crm": "deleted in the CRM earlier",
    "withheld": "listed by your mail server but not delivered by it",
    "header-unclear": "with a header that is too long or too malformed to tell who takes part",
    "unavailable": "your mail server says that it cannot deliver it at the moment",
    "unreadable": "your mail server fails whenever this mail is asked for",
    "short-body": "your mail server delivers only a part of it",
    "refused": "your mail server refuses to deliver it",
    "missing": "no longer listed by your mail server",
    "draft": "not sent yet",
    "disconnected": "not checked before the mailbox was disconnected",
}
QUARANTINED = "that could not be read safely; your administrator can inspect them (`leadmail dead-letters list`)"
LEFT_OUT = {
    "trash": "holds deleted mail",
    "junk": "holds spam",
    "drafts": "holds unsent mail",
    "templates": "holds templates",
    "outbox": "holds mail that is not sent yet",
    "other-users": "belongs to another user",
    "shared": "is shared or public; connect a shared mailbox by its own sign-in",
    "in-all-mail": "its mail is also in All Mail",
    "virtual": "shows mail from other folders",
    "no-mail": "cannot hold mail",
    "unusable-name": "has an unusable name",
    "unreadable-line": "a line of your mail server's list that cannot be read; there may be a folder behind it",
    "excluded-by-owner": "you left it out",
    "refused": "your mail server refuses access to it",
}
"""Words for the codes that ledger rows and folders carry."""
PROOFS = {
    ProofKind.SIGN_IN: "proven by signing in",
    ProofKind.OAUTH: "proven by signing in",
    ProofKind.CODE: "proven by a code",
    ProofKind.ADMINISTRATOR: "confirmed by an administrator",
    ProofKind.USER: "the user's address in the CRM",
    ProofKind.EARLIER: "counted before, and not proven since",
}
"""How an address became an account's own."""
NOT_PROVEN = "not proven: has no effect"
PAUSED = {
    "owner-disabled": "paused while its owner, or each member, is disabled",
    "operator": "paused by your administrator",
}
"""Why a mailbox is paused that its owner did not pause."""


def owner(account: Account) -> str:
    """Say whose mailbox it is."""
    return f"shared: {', '.join(account.members) or 'no members'}" if account.shared else account.owner


def skipped(reason: str) -> str:
    """Say why mail was skipped."""
    return SKIPPED.get(reason, reason.replace("-", " "))


def left_out(reason: str | None) -> str:
    """Say why a folder is not synchronized."""
    return LEFT_OUT.get(reason or "", (reason or "left out").replace("-", " "))


def paused(reason: str | None, *, shared: bool = False) -> str:
    """Say who paused a mailbox."""
    return PAUSED.get(reason or "", "paused by a member" if shared else "paused by you")

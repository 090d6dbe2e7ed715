"""Who may change the members of a mailbox, and the change."""

from __future__ import annotations

from collections.abc import Collection

from schemas.accounts import Account, User
from services.store import OPERATOR, NotAllowedError, Store

OPERATORS_ONLY = "Leadmail opens {} in its own name: only its members and the operator may change who they are"


def may_change(account: Account, user: User) -> bool:
    """Whether a user may change the members: those whose mailbox it is, and administrators if it is shared already.

    Not administrators where Leadmail opens the mailbox in its own name: they could connect anybody's, and join.
    """
    return user.email in account.holders or (user.admin and account.shared and not account.app_only)


async def change(
    account: Account,
    *,
    add: Collection[str] = (),
    remove: Collection[str] = (),
    store: Store,
    by: User | None,
) -> Account:
    """Change the members of a mailbox. A user's own one becomes a shared one, of which its owner is a member.

    ``by`` None is the operator.

    Raises:
        NotFoundError: a new member is no active user, or one who leaves is no member.
        NotAllowedError: the user may not do this, no active member would be left, or the mailbox cannot be shared.
    """
    if by is not None and not may_change(account, by):
        refused = OPERATORS_ONLY.format(account.address) if account.app_only else "only its members may do this"
        raise NotAllowedError(refused)
    name = by.email if by is not None else OPERATOR
    if account.shared:
        return await store.membership.change(account.id, add=add, remove=remove, by=name)
    if not add:
        raise NotAllowedError(f"{account.address} is not shared: add a member first")
    members = sorted({account.owner, *add} - {*remove})
    return await store.membership.share(account.id, members, by=name)

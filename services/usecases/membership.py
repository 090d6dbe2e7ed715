"""Who may change the members of a mailbox, and the change."""

from __future__ import annotations

from collections.abc import Collection

from schemas.accounts import Account, User
from services.store import OPERATOR, NotAllowedError, Store
from services.usecases.connecting.login import Login, provider_of
from services.usecases.connecting.login_names import refuse_personal_login

OPERATORS_ONLY = "Leadmail opens {} in its own name: only its members and the operator may change who they are"


def may_change(account: Account, user: User) -> bool:
    """Whether a user may change the members: those whose mailbox it is, and administrators if it is shared already.

    Not administrators where Leadmail opens the mailbox in its own name: they could connect anybody's, and join.
    """
    return user.email in account.holders or _as_administrator(account, user)


def _as_administrator(account: Account, user: User) -> bool:
    return user.admin and account.shared and not account.app_only


def _as_member(account: Account, user: User | None) -> bool:
    """Whether a user may do something as a member only, so that they must not have left meanwhile."""
    return user is not None and not _as_administrator(account, user)


def _allowed(account: Account, user: User | None) -> str:
    """Return as whom the audit log names the user, or the operator (None), who may change whose mailbox it is.

    Raises:
        NotAllowedError: the user may not.
    """
    if user is not None and not may_change(account, user):
        refused = OPERATORS_ONLY.format(account.address) if account.app_only else "only its members may do this"
        raise NotAllowedError(refused)
    return OPERATOR if user is None else user.email


async def own(account: Account, owner: str, *, store: Store, by: User | None) -> Account:
    """Make a shared mailbox one user's own: the other members see its mail no more. ``by`` None is the operator.

    Raises:
        NotFoundError: ``owner`` is no active user.
        NotAllowedError: the user may not do this, or the mailbox is not shared.
        ChangedMeanwhileError: its members have changed in the meantime.
    """
    name = _allowed(account, by)
    if not account.shared:
        raise NotAllowedError(f"{account.address} is not shared: it is the mailbox of {account.owner} alone")
    return await store.membership.own(account.id, owner, by=name, as_member=_as_member(account, by))


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
    name = _allowed(account, by)
    if account.shared:
        as_member = _as_member(account, by)
        return await store.membership.change(account.id, add=add, remove=remove, by=name, as_member=as_member)
    if not add:
        raise NotAllowedError(f"{account.address} is not shared: add a member first")
    login = Login(account.incoming, account.outgoing, None)
    await refuse_personal_login(login, provider_of(account), account.address, store)
    members = sorted({account.owner, *add} - {*remove})
    return await store.membership.share(account.id, members, by=name)

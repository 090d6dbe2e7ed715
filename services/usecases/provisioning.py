"""What a company's identity provider decides about users: they come, change, are locked out, and leave."""

from __future__ import annotations

from typing import NamedTuple

from schemas.accounts import User
from services.runtime.people_settings import DISCONNECT, PAUSE
from services.store import NotAllowedError, NotFoundError, Store
from services.usecases import leaving
from services.usecases.leaving import MailboxFate

SCIM = "scim"
"""Who changed something, in the audit log."""


class UserPatch(NamedTuple):
    """What the identity provider says of a user; None for what it does not mention."""

    name: str | None = None
    external_id: str | None = None
    active: bool | None = None


async def add(store: Store, email: str, patch: UserPatch) -> User:
    """Add a user.

    Raises:
        AlreadyExistsError: there is such a user.
    """
    user = await store.users.add(email, name=patch.name or "", external_id=patch.external_id or "", by=SCIM)
    return await change(store, user, patch)


async def change(store: Store, user: User, patch: UserPatch) -> User:
    """Change a user. One who is no longer active is locked out at once, and their mailboxes pause.

    Raises:
        NotFoundError: there is no such user.
        NotAllowedError: it is the last administrator.
    """
    if patch.active is not None and patch.active is user.disabled:
        lifecycle = store.user_lifecycle
        user = await (lifecycle.enable if patch.active else lifecycle.disable)(user.email, by=SCIM)
    return await store.users.set_profile(user.email, name=patch.name, external_id=patch.external_id, by=SCIM)


async def remove(store: Store, email: str, then: str) -> None:
    """Let a user leave. Access ends first, whatever happens to the mailboxes: ``LEADMAIL_SCIM_DELETED`` decides that (``then``).

    Raises:
        NotFoundError: there is no such user.
        NotAllowedError: it is the last administrator; or no user can get the mailboxes, which stay paused.
    """
    user = await store.user_lifecycle.disable(email, by=SCIM)
    if then == PAUSE:
        return
    fate, heir = (MailboxFate.DISCONNECT, None) if then == DISCONNECT else (MailboxFate.TRANSFER, then)
    try:
        await leaving.remove(store, user.email, fate, heir=heir, by=SCIM)
    except NotFoundError:
        raise NotAllowedError("the user is locked out, but LEADMAIL_SCIM_DELETED names no active user") from None

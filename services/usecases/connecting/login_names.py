"""Which mailbox a login name may open: no other user's, and with tokens only the account's own.

A password opens the mailbox that it belongs to. A token may open many mailboxes of the company: the login name alone decides which.
"""

from __future__ import annotations

from schemas.addresses import normal_address_or_none
from services.mailbox.connection import OAuth2Credentials
from services.mailbox.providers import Provider
from services.store import NotAllowedError, Store
from services.usecases.connecting.login import Login


def refuse_token_elsewhere(login: Login, provider: Provider | None, address: str) -> None:
    """Refuse to open another mailbox than the account's with its tokens.

    Raises:
        NotAllowedError: the login has tokens, and its name is not the account's address.
    """
    if isinstance(login.credentials, OAuth2Credentials) and _foreign(login, provider, address):
        raise NotAllowedError(
            f"with a sign-in at the mail service the login name has to be {address}: connect another mailbox by itself"
        )


async def refuse_others_name(login: Login, provider: Provider | None, address: str, owner: str, store: Store) -> None:
    """Refuse a login name that is another user's or another mailbox's. Ask after the login worked: the answer tells of mailboxes.

    Raises:
        NotAllowedError: it is.
    """
    for name in _foreign(login, provider, address):
        if await store.address_proofs.is_anothers(name, owner):
            raise NotAllowedError(f"{name} is the address of another user or mailbox: nothing was saved")


async def refuse_personal_login(login: Login, provider: Provider | None, address: str, store: Store) -> None:
    """Refuse to share a mailbox whose login name is a user's address, its owner's too: it opens that user's own mailbox.

    Raises:
        NotAllowedError: it is.
    """
    for name in _foreign(login, provider, address):
        if await store.address_proofs.is_another_users(name, ""):
            raise NotAllowedError(
                f"its login name {name} is the address of a user: a user's own mailbox cannot be shared"
            )


def _foreign(login: Login, provider: Provider | None, address: str) -> list[str]:
    """Return the login names that are not the usual ones of an address."""
    servers = [server for server in (login.incoming, login.outgoing) if server is not None]
    named = {normal_address_or_none(server.username) or server.username for server in servers}
    return sorted(named - {address, provider.login_name(address) if provider else address})

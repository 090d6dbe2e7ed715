"""Whether the deployment's secrets open the stored credentials. A wrong secret would stop every mailbox, one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

from schemas.accounts import SealedCredentials
from schemas.errors import LayoutError
from services.mailbox.connection.secret_box import SealError, SecretBox


class SealedSample(NamedTuple):
    """What was found when stored credentials were opened, until one could be."""

    tried: int
    opened: str | None
    """The id of the secret that opened one; None if none opened."""
    sealed_under: tuple[str, ...]
    """The ids of the secrets that sealed those that did not open."""


async def open_one(sealed: AsyncIterator[tuple[str, SealedCredentials]], box: SecretBox) -> SealedSample:
    """Try to open credentials, given with the ids of their accounts, until one set opens. Nothing of them is kept."""
    under: set[str] = set()
    tried = 0
    async for account, credentials in sealed:
        tried += 1
        try:
            box.open(account, credentials)
        except SealError:
            under.add(credentials.key_id)
        else:
            return SealedSample(tried, credentials.key_id, tuple(sorted(under)))
    return SealedSample(tried, None, tuple(sorted(under)))


async def require_usable_secret(sealed: AsyncIterator[tuple[str, SealedCredentials]], box: SecretBox) -> None:
    """Make sure that this process can open at least one mailbox, if there is any.

    Raises:
        LayoutError: no stored credentials open; the text says what to do.
    """
    sample = await open_one(sealed, box)
    if sample.tried and sample.opened is None:
        raise LayoutError(
            f"LEADMAIL_SECRET_KEY opens the password of no mailbox: they were sealed under the secret {', '.join(sample.sealed_under)}, "
            f"and this process has {', '.join(box.wrapping)}. Set the secret that the mailboxes were connected with; if it was replaced, "
            "add it to LEADMAIL_SECRET_KEYS_OLD. `leadmail doctor` checks it."
        )

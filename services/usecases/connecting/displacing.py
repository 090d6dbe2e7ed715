"""Whose mailbox an address is connected as, and which login takes it from whom."""

from __future__ import annotations

from schemas.accounts import Account, ProofKind
from services.store import NotAllowedError, Store


async def is_taken(address: str, owner: str, store: Store) -> bool:
    """Whether a mailbox is connected under an address in such a way that no login of this user can change that."""
    holder = await store.accounts.connected(address)
    if holder is None:
        return False
    if await store.address_proofs.is_another_users(address, owner):
        return True
    return not _yields(holder, address, owner, ProofKind.SIGN_IN)


def _yields(holder: Account, address: str, owner: str, how: ProofKind) -> bool:
    """Whether another user's mailbox that is connected under an address has to leave it to a user who proves it so."""
    held = holder.proof_of(address)
    return holder.owner != owner and (held is None or how.outranks(held))


async def displaced(account: Account, store: Store) -> list[Account]:
    """Return another user's mailbox whose claim to the address is weaker than the new account's, or none."""
    holder, how = await store.accounts.connected(account.address), account.proof_of(account.address)
    if holder is None or how is None or await store.address_proofs.is_another_users(account.address, account.owner):
        return []
    return [holder] if _yields(holder, account.address, account.owner, how) else []


async def refuse_personal(address: str, store: Store) -> None:
    """Refuse a shared mailbox under the address of a user: everything there is this user's.

    Raises:
        NotAllowedError: it is one.
    """
    if await store.address_proofs.is_another_users(address, ""):
        raise NotAllowedError(f"{address} is the address of a user: a user's own mailbox cannot be shared")

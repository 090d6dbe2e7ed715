"""Shared mailboxes that are connected again with fewer members than they had."""

from __future__ import annotations

from collections.abc import Collection

from services.store import Store


async def former_members(members: Collection[str], address: str, store: Store) -> str:
    """Say who was a member of a mailbox before it was disconnected, and is none if it is connected again; empty for nobody."""
    former = await store.former_accounts.find_shared(members, address)
    if former is None or not (left := sorted({*former.members} - {*members})):
        return ""
    options = " ".join(f"--add {one}" for one in left)
    was = "was a member before and is none" if len(left) == 1 else "were members before and are none"
    return f"{', '.join(left)} {was} any more: `leadmail account members {address} {options}` changes that"

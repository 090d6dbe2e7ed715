"""Replaces the deployment's secret while everything runs: which secret is still needed, and the steps of a rotation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import NamedTuple

from schemas.accounts import AccountState
from schemas.base import Contract
from schemas.errors import LeadmailError
from services.mailbox.connection import SealError, SecretBox
from services.store import OPERATOR, KeyUses, Store, now
from services.wording import plural

SETTLED = timedelta(seconds=15)
"""How long after the new key took over a write may arrive that started before."""
_ADVICE = {
    AccountState.ACTIVE: "nothing to do: its poller reads the headers again",
    AccountState.PAUSED: "resume it: `leadmail account resume {address}`",
    AccountState.BLOCKED: "its owner has to sign in again: `leadmail account password {address}`; or disconnect it",
    AccountState.DISCONNECTED: (
        "nothing to do: no look-up needs them while it is disconnected, and they are marked again if it is connected again. "
        "`leadmail account remove {address} --purge` deletes them"
    ),
}


class RotationRefusedError(LeadmailError):
    """The secret cannot be replaced now. The text says why, and what to do."""


class KeyUse(Contract):
    """What is under one secret of the deployment."""

    id: str
    """Identifies the secret and tells nothing about it."""
    setting: str | None
    """The setting that has it; null if none has."""
    needed: bool
    """Whether something is under it, or new things are."""
    passwords: int
    """Mailboxes whose password it seals."""
    rows: int
    """Rows of the ledger that wait to be marked with the current secret."""
    addresses: int
    """Addresses of records that wait for the same."""


class WaitingAccount(Contract):
    """A mailbox with rows under an earlier secret."""

    address: str
    """Address of the mailbox."""
    state: AccountState
    """Whether the mailbox is synchronised: only then its poller can read the headers again."""
    rows: int
    """Number of rows."""
    advice: str
    """What to do."""


class RotationStatus(NamedTuple):
    """How far the current secret has replaced earlier ones."""

    finished: bool
    """Whether nothing needs another secret than the current one."""
    keys: list[KeyUse]
    accounts: list[WaitingAccount]
    outdated: list[str]
    """Running pollers and matchers that lack the current secret."""

    @property
    def missing(self) -> list[str]:
        """The ids of secrets that are needed and in no setting."""
        return [key.id for key in self.keys if key.needed and key.setting is None]

    @property
    def removable(self) -> list[str]:
        """The ids of earlier secrets that are no longer needed."""
        return [key.id for key in self.keys if not key.needed and key.setting is not None]


async def read_status(store: Store, box: SecretBox) -> RotationStatus:
    """Return which secrets are needed, and what waits."""
    uses = await store.key_rotation.uses()
    ids = [*box.wrapping, *sorted((uses.passwords.keys() | uses.state.used) - box.wrapping.keys())]
    keys = [_use(name, box, uses) for name in ids]
    return RotationStatus(
        finished=all(key.id == box.current for key in keys if key.needed),
        keys=keys,
        accounts=[
            WaitingAccount(
                address=one.account.address,
                state=one.account.state,
                rows=one.rows,
                advice=_ADVICE[one.account.state].format(address=one.account.address),
            )
            for one in uses.accounts
        ],
        outdated=await store.mark_keys.without(box.current),
    )


def _use(name: str, box: SecretBox, uses: KeyUses) -> KeyUse:
    old = "LEADMAIL_SECRET_KEYS_OLD" if name in box.wrapping else None
    return KeyUse(
        id=name,
        setting="LEADMAIL_SECRET_KEY" if name == box.current else old,
        needed=name == box.current or name in uses.state.used or bool(uses.passwords[name]),
        passwords=uses.passwords[name],
        rows=uses.rows[name],
        addresses=uses.addresses[name],
    )


async def start(store: Store, box: SecretBox, *, progress: Callable[[str], None], lost: Collection[str] = ()) -> None:
    """Seal passwords and mark stored addresses with the current secret, and have the pollers mark the ledger. May be repeated.

    Args:
        store: what is stored.
        box: with the current secret and the earlier ones.
        progress: called with what was done.
        lost: ids of secrets that no one has any more.

    Raises:
        RotationRefusedError: a process or this command lacks a secret, or a password does not open.
    """
    status = await read_status(store, box)
    if missing := [name for name in status.missing if name not in lost]:
        raise RotationRefusedError(
            f"the secret {', '.join(missing)} is still needed and in no setting: add it to LEADMAIL_SECRET_KEYS_OLD. If no one "
            f"has it any more, use --lost {missing[0]}"
        )
    if status.outdated:
        raise RotationRefusedError(
            f"{', '.join(status.outdated)} does not have the current LEADMAIL_SECRET_KEY: restart it first; if it has "
            "died, wait a minute"
        )
    count = await _reseal(store, box, lost)
    progress(f"{plural(count, 'password is', 'passwords are')} sealed with it")
    await store.key_rotation.extend_emails(
        box.current, progress=lambda count: progress(f"{count:,} stored emails are found by it")
    )
    if await store.key_rotation.switch(box.current, by=OPERATOR):
        progress("new mail is marked with it")
    await store.key_rotation.remark_addresses(box.current)
    await store.key_rotation.remark_erasures(box.current)
    for name in lost:
        await store.key_rotation.forget(name, by=OPERATOR)


async def _reseal(store: Store, box: SecretBox, lost: Collection[str]) -> int:
    count, closed = 0, list[str]()
    for account in await store.accounts.get_all():
        if account.state is AccountState.DISCONNECTED or account.credentials.key_id == box.current:
            continue
        try:
            sealed = box.rotate(account.id, account.credentials)
        except SealError:
            if account.credentials.key_id in lost:
                continue
            closed.append(account.address)
            continue
        # If it was changed meanwhile, it was sealed with the current secret.
        count += await store.key_rotation.reseal(account.id, account.credentials, sealed)
    if closed:
        raise RotationRefusedError(
            f"the saved password of {', '.join(closed)} cannot be decrypted: enter it again with `leadmail account password`, "
            "or disconnect the mailbox"
        )
    return count


async def finish(store: Store, box: SecretBox) -> bool:
    """Note that earlier secrets are no longer needed. False while something waits for the current one."""
    state = await store.mark_keys.state()
    if state.key != box.current or (state.since is not None and now() - state.since < SETTLED):
        return False
    # What was written with the previous key by a process that had read it just before the change.
    await store.key_rotation.remark_addresses(box.current)
    await store.key_rotation.remark_erasures(box.current)
    return await store.key_rotation.retire(by=OPERATOR)

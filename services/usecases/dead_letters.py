"""What an operator does with a dead letter: inspect it, replay it, drop it. Its blobs and its copy are updated with it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from schemas.base import Contract
from schemas.ledger import RowState
from services.amqp import CRASHED
from services.store import DeadLetter, Store, copy_ref, email_ref

if TYPE_CHECKING:
    from services.amqp import Bus

_FIELDS = "leadmail"
"""The header with the fields of a message whose body is a raw mail."""


async def body_of(dead_letter: DeadLetter, store: Store) -> bytes:
    """Return the raw mail or the JSON of a message, from the blob store if it is large.

    Raises:
        NotFoundError: its blob no longer exists.
    """
    blob = _fields(dead_letter.headers.get(_FIELDS)).get("blob")
    return await store.blobs.get(blob) if blob and not dead_letter.body else dead_letter.body


def size_of(dead_letter: DeadLetter) -> int:
    """Return the size of the raw mail or the JSON of a message, in octets."""
    return len(dead_letter.body) or int(_fields(dead_letter.headers.get(_FIELDS)).get("size", 0))


class CopyLocation(Contract):
    """The copy that a dead letter is about, as its owner knows it, without any content of the mail."""

    account: str
    """Address of the mailbox."""
    folder: str
    """Name of the folder."""
    uid: int
    """IMAP uid of the message."""
    received_at: datetime
    """When the mail server received it."""
    state: RowState
    """Its state in the ledger."""
    reason: str | None
    """Stable code."""


async def location_of(dead_letter: DeadLetter, store: Store) -> CopyLocation | None:
    """Return where the mail is that a dead letter is about; None if there is none, or its account was removed."""
    row = await store.ledger.get(dead_letter.row) if dead_letter.row else None
    account = (await store.accounts.of_ids([row.account])).get(row.account) if row else None
    if row is None or account is None:
        return None
    names = {folder.id: folder.name for folder in await store.folders.of(account.id)}
    return CopyLocation(
        account=account.address,
        folder=names.get(row.folder, row.folder),
        uid=row.uid,
        received_at=row.internal_date,
        state=row.state,
        reason=row.reason,
    )


async def replay(dead_letter: DeadLetter, store: Store, bus: Bus, *, by: str) -> None:
    """Send a dead letter to its queue again. If this is interrupted, it can be replayed once more. Each time is in the audit log.

    The row comes first: if the message were handled before the row is unfinished, the row would stay unfinished forever. A
    message that crashed its consumers is handled in isolation again: if it still does, it harms no other mail.
    """
    await _note(dead_letter, store, "dead-letter.replay", by=by)
    if dead_letter.row:
        await store.operator_ledger.requeue_quarantined(dead_letter.row)
    await _return_blobs(dead_letter, store)
    headers = {**dead_letter.headers, "content-type": dead_letter.content_type}
    await bus.replay(dead_letter.queue, dead_letter.body, headers, isolated=dead_letter.reason == CRASHED)
    await store.dead_letters.remove([dead_letter.id])


async def drop(dead_letter: DeadLetter, store: Store, *, by: str) -> None:
    """Drop a dead letter: its copy ends as skipped, its body and blobs are deleted."""
    await _note(dead_letter, store, "dead-letter.drop", by=by)
    if dead_letter.row:
        await store.operator_ledger.drop_quarantined(dead_letter.row, by=by)
    await store.dead_letters.remove([dead_letter.id])


async def _note(dead_letter: DeadLetter, store: Store, what: str, *, by: str) -> None:
    """Note what is about to happen: the broker is in no transaction, and a sweep may remove the dead letter of a finished copy."""
    await store.audit.add(
        what, by=by, subject=f"dead-letter:{dead_letter.id}", queue=dead_letter.queue, row=dead_letter.row
    )


async def _return_blobs(dead_letter: DeadLetter, store: Store) -> None:
    """Return the blobs that the dead letter holds to the copy or email that it is about, as before it died."""
    if (blob := _fields(dead_letter.headers.get(_FIELDS)).get("blob")) and dead_letter.row:
        await store.blob_refs.add_ref([blob], copy_ref(dead_letter.row))
    fields = _fields(dead_letter.body)
    content = fields.get("content")
    if isinstance(content, dict) and "key" in content:
        named = [
            fields.get("head"),
            content.get("raw"),
            content.get("html_blob"),
            *(one["sha256"] for one in content.get("attachments", ())),
        ]
        await store.blob_refs.add_ref([name for name in named if name], email_ref(content["key"]))


def _fields(text: str | bytes | None) -> dict[str, Any]:
    """Return the fields of a JSON object; none for anything else, which may be why the message died."""
    try:
        found = orjson.loads(text or b"")
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}

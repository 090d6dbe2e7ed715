"""The raw form of mail: each copy's own header block, joined with the body."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from schemas.mail import Content
from schemas.raw_mail import shown_fields, shown_raw
from services.store.mail.blobs import Blobs


class RawCopy(Protocol):
    """Where the raw form of a copy is."""

    @property
    def head(self) -> str | None:
        """The blob of its header block."""

    @property
    def body(self) -> str | None:
        """The blob of its body."""


class RawForms:
    """Reads the raw form of copies. The caller decides which copies the reader may know of."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def whole(self, copies: Iterable[RawCopy]) -> bytes | None:
        """Return the first copy that has its raw form, byte for byte. For the owner of these copies."""
        row = next((row for row in copies if row.head and row.body), None)
        return None if row is None else b"".join(await self._parts(row))

    async def shown(self, copies: Iterable[RawCopy], content: Content) -> bytes:
        """Return the first copy that has its raw form, with the header fields that every reader of it may see.

        Copies attached by version 0.1 have none of their own. For these it is the raw form that was stored of the email.

        Raises:
            NotFoundError: it was deleted meanwhile.
        """
        row = next((row for row in copies if row.head and row.body), None)
        if row is None:
            return shown_raw(await self._blobs.get(content.raw))
        head, body = await self._parts(row)
        return shown_fields(head) + body

    async def _parts(self, row: RawCopy) -> tuple[bytes, bytes]:
        return await self._blobs.get(row.head or ""), await self._blobs.get(row.body or "")

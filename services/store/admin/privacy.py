"""Requests of data subjects, which an administrator carries out: a copy of everything about an address, and its erasure."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from schemas.mail import Content
from services.store.access.users import Users
from services.store.admin.erasing import Erasing, ErasureCounts
from services.store.admin.exporting import Dossier, ExportedEmail, Exporting


class Privacy:
    """Checks that the caller is an administrator, then calls ``exporting`` or ``erasing``."""

    def __init__(self, *, users: Users, exporting: Exporting, erasing: Erasing) -> None:
        self._users = users
        self._exporting = exporting
        self._erasing = erasing

    async def export(self, address: str, *, by: str) -> Dossier:
        """Return everything stored about a normal address except the contents of its emails, see ``contents``.

        Raises:
            NotFoundError: there is no such active user.
            NotAllowedError: the user is not an administrator.
        """
        return await self._exporting.export(address, by=(await self._users.administrator(by)).email)

    async def counts(self, address: str, *, by: str) -> ErasureCounts:
        """Return the extent of the erasure of a normal address.

        Raises:
            NotFoundError: there is no such active user.
            NotAllowedError: the user is not an administrator.
        """
        await self._users.administrator(by)
        return await self._erasing.counts(address)

    async def erase(self, address: str, *, by: str) -> ErasureCounts:
        """Erase what is stored about a normal address. Returns what was stored.

        Raises:
            NotFoundError: there is no such active user.
            NotAllowedError: the user is not an administrator.
        """
        return await self._erasing.erase(address, by=(await self._users.administrator(by)).email)

    def contents(self, emails: Iterable[ExportedEmail]) -> AsyncIterator[Content]:
        """Iterate over the contents of an export's emails."""
        return self._exporting.contents(emails)

    async def raw(self, content: Content) -> bytes:
        """Return a raw mail of an export, without header fields that may name other people."""
        return await self._exporting.raw(content)

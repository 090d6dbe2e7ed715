"""What can go wrong in the store, in a vocabulary of its own."""

from __future__ import annotations


class StoreError(Exception):
    """Base of what the store raises itself; errors of the database pass through as they are."""


class LeaseLostError(StoreError):
    """Another poller holds the account by now: drop everything about it, nothing of the refused write was kept."""


class FolderChangedError(StoreError):
    """The folder has other uids by now than those that the write is about; nothing of it was kept."""


class NotFoundError(StoreError):
    """There is no such thing, or the one who asks may not know of it; the two are never told apart."""


class AlreadyExistsError(StoreError):
    """Something with this name is there already."""


class NotAllowedError(StoreError):
    """The one who asks may not do this."""

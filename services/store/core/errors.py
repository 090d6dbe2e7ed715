"""The errors of the store."""

from __future__ import annotations

from schemas.errors import LeadmailError


class StoreError(LeadmailError):
    """Base of the errors that the store raises. Database errors pass through unchanged."""


class LeaseLostError(StoreError):
    """Another poller holds the account: drop all work on it. The refused write changed nothing."""


class FolderChangedError(StoreError):
    """The folder was recreated with other uids than those of the write. The write changed nothing."""


class NotFoundError(StoreError):
    """The object does not exist, or the caller may not know of it. The two look the same."""


class AlreadyExistsError(StoreError):
    """An object with this name exists already."""


class ChangedMeanwhileError(StoreError):
    """Another user changed the object after the caller read it. The write changed nothing."""


class NotAllowedError(StoreError):
    """The caller may not do this."""

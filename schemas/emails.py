"""Emails and links: documents of ``emails`` (id: the key) and ``links`` (id: ``identity.link_id``)."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from schemas.base import AccountId, Contract, EmailKey, Utc
from schemas.mail import Content, Role
from schemas.records import RecordRef


class Email(Contract):
    """One message, regardless of how many accounts and folders hold a copy of it."""

    content: Content
    """Stored flat: the document's fields are Content's, ``_id`` is its key."""
    stored_at: Utc
    by_thread: bool = False
    """Whether it names no record's address, so that its links come from its thread alone."""


class Match(Contract):
    """A reason why an email is on a record."""

    address: str
    """The record's address; for role ``thread`` the address by which the thread belongs to the record."""
    role: Role
    """Where the mail has the address; ``thread`` if it is on the record through its thread."""
    account: AccountId | None = None
    """For role ``bcc``: the account whose copy has the Bcc. Only its owner may know of it."""


class Attestation(Contract):
    """Says that in this user's mail the thread of an email is about a record, because an ancestor that they sent names it."""

    owner: str
    address: str
    """The address by which the thread belongs to the record."""


class Link(Contract):
    """An email on a record. The matcher computes ``owners`` and ``shared_by`` for quick look-up; readers check again."""

    model_config = ConfigDict(populate_by_name=True)

    id: str
    email: EmailKey
    record: RecordRef
    sent_at: Utc
    thread: str
    matches: tuple[Match, ...]
    owners: tuple[str, ...] = ()
    """Owners of a live copy: users, and teams (``schemas.identity``)."""
    sent_by: tuple[str, ...] = ()
    """Owners of a live copy that they sent themselves (see ``schemas.threads``). Only for them does the email open a thread."""
    shared_by: tuple[AccountId, ...] = ()
    """Accounts with a live copy whose policy shares this link."""
    attestations: tuple[Attestation, ...] = Field(default=(), alias="vouchers")
    """For role ``thread``: whose mail says so. The thread continues from here for those who sent the email.

    Stored as ``vouchers``.
    """
    ids: tuple[str, ...] = ()
    """See ``identity.thread_ids``. Empty in links that a version without them stored: then ``thread`` stands for them."""
    version: int = 0
    """Grows with every change, for compare-and-set."""

    @property
    def joins(self) -> tuple[str, ...]:
        """What joins the email to others of its thread: the same in a link on another record."""
        return self.ids or (self.thread,)


class Tombstone(Contract):
    """An email that was deleted in the CRM: a resync does not bring it back. Document id: the key."""

    email: EmailKey
    by: str
    at: Utc

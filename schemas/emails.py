"""Emails and links: documents of ``emails`` (id: the key) and ``links`` (id: ``identity.link_id``)."""

from __future__ import annotations

from schemas.base import AccountId, Contract, EmailKey, Utc
from schemas.mail import Content, Role
from schemas.records import RecordRef


class Email(Contract):
    """One message, however many accounts and folders hold a copy of it."""

    content: Content
    """Stored flat: the document's fields are Content's, ``_id`` is its key."""
    stored_at: Utc
    by_thread: bool = False
    """It names no record's address: its links come from its thread alone."""


class Match(Contract):
    """Why an email is on a record."""

    address: str
    """The record's address; for role ``thread`` that by which the thread is the record's."""
    role: Role
    account: AccountId | None = None
    """For role ``bcc``: the account whose copy says so; only its owner may know."""


class Voucher(Contract):
    """In the mail of this user the thread of an email is about a record: an ancestor that he holds says so."""

    owner: str
    address: str
    """By which the thread is the record's."""


class Link(Contract):
    """An email on a record. ``owners`` and ``shared_by`` are what the matcher worked out, for quick look-up; readers check again."""

    id: str
    email: EmailKey
    record: RecordRef
    sent_at: Utc
    thread: str
    matches: tuple[Match, ...]
    owners: tuple[str, ...] = ()
    """Users with a live copy."""
    shared_by: tuple[AccountId, ...] = ()
    """Accounts with a live copy whose policy shares this link."""
    vouchers: tuple[Voucher, ...] = ()
    """For role ``thread``: whose mail says so. For each of them the thread goes on from here, and for nobody else."""
    version: int = 0
    """Grows with every change, for compare-and-set."""


class Tombstone(Contract):
    """An email that was deleted in the CRM: it never comes back by a re-sync. Document id: the key."""

    email: EmailKey
    by: str
    at: Utc

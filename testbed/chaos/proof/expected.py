"""The required end state of a run, and the accounts that it follows from."""

from __future__ import annotations

from typing import NamedTuple

from testbed.chaos.proof.reader import ServerCopy

Reason = tuple[str, str, str]
"""Address, role, and for Bcc the account whose copy says so (else empty)."""


class Mailowner(NamedTuple):
    """An account as the rule of sharing sees it."""

    owner: str
    """A user; or of a shared mailbox, a name of its team."""
    claims: frozenset[str]
    """The addresses that it names as its own."""
    proven: frozenset[str]
    """Those of them that something proves."""
    mode: str
    excluded: tuple[str, ...]
    members: frozenset[str] = frozenset()
    """The users of a shared mailbox: each counts as the holder."""
    address: str = ""
    """Of a shared mailbox: its own address, by which others know the holder."""

    @property
    def users(self) -> frozenset[str]:
        """Whose mailbox it is."""
        return self.members or frozenset({self.owner})

    @property
    def own(self) -> frozenset[str]:
        """Its addresses. A claim alone makes none of them its own, but for the address by which the CRM knows the user."""
        return frozenset(one for one in self.claims if one in self.proven or one == self.owner)


class RecordLink(NamedTuple):
    """An email on a record."""

    reasons: frozenset[Reason]
    owners: frozenset[str]
    shared_by: frozenset[str]
    """Accounts."""


class ExpectedState(NamedTuple):
    """The required state, by identity of the emails."""

    states: dict[ServerCopy, str]
    """``attached``, ``unmatched``, or of a draft ``skipped``."""
    identities: dict[ServerCopy, str]
    links: dict[tuple[str, str], RecordLink]
    """By (record, identity)."""
    visible: dict[tuple[str, str], set[str]]
    """Identities by (viewer, record)."""
    bcc: dict[tuple[str, str], frozenset[str]]
    """What a viewer is shown of Bcc, by (viewer, identity)."""
    holders: dict[tuple[str, str], frozenset[str]]
    """Of whom a viewer learns that they have an email, by (viewer, identity)."""

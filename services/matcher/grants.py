"""Who is let in by a link: the users with a live copy, and the accounts whose policy shares it (DESIGN section 4).

What is worked out here is a prefilter for quick look-up; readers apply `schemas.sharing` again to the present policies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.accounts import Account
from schemas.emails import Match
from schemas.mail import Role
from schemas.sharing import CompanyPolicy, SharingPolicy, Verdict, shares


class Holder(NamedTuple):
    """A live copy of an email, as far as sharing depends on it."""

    account: str
    owner: str
    policy: SharingPolicy
    own_addresses: frozenset[str]
    bcc: tuple[str, ...] = ()

    @classmethod
    def of(cls, account: Account, bcc: Iterable[str]) -> Holder:
        """Return the holder for a copy in an account."""
        return cls(account.id, account.owner, account.sharing, account.own_addresses, tuple(bcc))


class Grants(NamedTuple):
    """The stored flags of a link, sorted."""

    owners: tuple[str, ...]
    shared_by: tuple[str, ...]


def shares_link(holder: Holder, company: CompanyPolicy, matches: Iterable[Match], participants: frozenset[str]) -> bool:
    """Whether a live copy shares a link of its email by any of the link's matches."""
    people = participants.union(holder.bcc)
    return any(
        shares(
            holder.policy,
            company,
            address=match.address,
            role=match.role,
            participants=people,
            own_addresses=holder.own_addresses,
        ).verdict
        is Verdict.SHARED
        for match in matches
        if match.role is not Role.BCC
    )


def owns_link(holder: Holder, matches: Iterable[Match]) -> bool:
    """Whether the owner of a live copy may know of a link: any but one that another account's Bcc alone tells of."""
    return any(match.role is not Role.BCC or match.account == holder.account for match in matches)


def grants(
    holders: Iterable[Holder], company: CompanyPolicy, matches: tuple[Match, ...], participants: frozenset[str]
) -> Grants:
    """Return the flags of a link from all live copies of its email."""
    owners: set[str] = set()
    shared_by: set[str] = set()
    for holder in holders:
        if owns_link(holder, matches):
            owners.add(holder.owner)
        if shares_link(holder, company, matches, participants):
            shared_by.add(holder.account)
    return Grants(tuple(sorted(owners)), tuple(sorted(shared_by)))

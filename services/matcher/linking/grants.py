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
    def of(cls, account: Account) -> Holder:
        """Return the holder for a copy in an account that has no Bcc."""
        return cls(account.id, account.owner, account.sharing, account.own_addresses)


def shares_link(holder: Holder, company: CompanyPolicy, matches: Iterable[Match], participants: frozenset[str]) -> bool:
    """Whether a live copy shares a link of its email by any of the link's matches."""
    return any(
        shares(
            holder.policy,
            company,
            address=match.address,
            role=match.role,
            participants=participants,
            own_addresses=holder.own_addresses,
        ).verdict
        is Verdict.SHARED
        for match in matches
        if match.role is not Role.BCC
    )

"""The rule of who sees what: pure functions, read by the matcher (stored flags) and by every reader (the guard).

The rule. Viewer V sees email M on record R if and only if M is linked to R, V may read R, and
(a) V owns a live copy of M, or (b) some live copy of M belongs to an account whose policy shares the link.
A Bcc link is known to nobody but the owner of the copy that has the Bcc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import lru_cache

from publicsuffixlist import PublicSuffixList
from pydantic import field_validator

from schemas.addresses import InvalidDomainError, in_domain, normal_domain
from schemas.base import Contract
from schemas.emails import Match
from schemas.mail import Role


class Mode(StrEnum):
    """Who may see an account's mail on the records it is about."""

    PRIVATE = "private"
    PUBLIC = "public"
    CUSTOM = "custom"
    """Like public, except for excluded domains."""


class PublicSuffixError(InvalidDomainError):
    """Excluding a public suffix would exclude half the world."""


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def excludable_domain(domain: str) -> str:
    """Return the normal form of a domain that a user or administrator wants to exclude.

    Raises:
        InvalidDomainError: it is no domain name.
        PublicSuffixError: it is a public suffix such as ``com`` or ``co.uk``.
    """
    name = normal_domain(domain.removeprefix("@"))
    if _suffixes().is_public(name):  # a single label counts as one
        raise PublicSuffixError(f"{domain!r} is a public suffix: name the company's own domain, such as example.{name}")
    return name


def _normal_domains(domains: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({excludable_domain(domain) for domain in domains}))


class SharingPolicy(Contract):
    """One account's setting."""

    mode: Mode
    excluded_domains: tuple[str, ...] = ()
    """Counts for mode ``custom`` only; kept through other modes so that going back to it is easy."""

    @field_validator("excluded_domains", mode="after")
    @classmethod
    def _normal(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        return _normal_domains(domains)


class CompanyPolicy(Contract):
    """The administrator's setting; a user cannot undo it."""

    excluded_domains: tuple[str, ...] = ()
    default_mode: Mode = Mode.PUBLIC
    allowed_modes: tuple[Mode, ...] = (Mode.PRIVATE, Mode.PUBLIC, Mode.CUSTOM)

    @field_validator("excluded_domains", mode="after")
    @classmethod
    def _normal(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        return _normal_domains(domains)


class Verdict(StrEnum):
    """Which clause decided about one live copy for one viewer."""

    OWN_COPY = "own-copy"
    SHARED = "shared"
    MODE_PRIVATE = "mode-private"
    MODE_NOT_ALLOWED = "mode-not-allowed"
    BCC = "bcc"
    EXCLUDED_BY_COMPANY = "excluded-by-company"
    EXCLUDED_BY_OWNER = "excluded-by-owner"
    INTERNAL_ONLY = "internal-only"

    @property
    def grants(self) -> bool:
        """Whether this copy lets the viewer see the email on the record."""
        return self in (Verdict.OWN_COPY, Verdict.SHARED)


class Decision(Contract):
    """A verdict and the domain that it turned on, where one did."""

    verdict: Verdict
    domain: str | None = None


def covering_domain(address: str, domains: Iterable[str]) -> str | None:
    """Return the first of ``domains`` (normal forms) that covers a normal address."""
    return next((domain for domain in domains if in_domain(address, domain)), None)


def shares(  # noqa: PLR0911 - one return a clause of the rule
    policy: SharingPolicy,
    company: CompanyPolicy,
    *,
    address: str,
    role: Role,
    participants: Iterable[str],
    own_addresses: Iterable[str],
) -> Decision:
    """Decide whether an account's live copy of an email shares it on a record, by one match.

    Args:
        policy: the account's.
        company: the administrator's.
        address: the match's address, normal form.
        role: the match's role.
        participants: every address that the email names, normal forms. Not a copy's Bcc: what others see must not tell of it.
        own_addresses: the account's own.
    """
    if policy.mode not in company.allowed_modes:
        return Decision(verdict=Verdict.MODE_NOT_ALLOWED)
    if policy.mode is Mode.PRIVATE:
        return Decision(verdict=Verdict.MODE_PRIVATE)
    if role is Role.BCC:
        return Decision(verdict=Verdict.BCC)
    if domain := covering_domain(address, company.excluded_domains):
        return Decision(verdict=Verdict.EXCLUDED_BY_COMPANY, domain=domain)
    own_list = policy.excluded_domains if policy.mode is Mode.CUSTOM else ()
    if domain := covering_domain(address, own_list):
        return Decision(verdict=Verdict.EXCLUDED_BY_OWNER, domain=domain)
    excluded = (*company.excluded_domains, *own_list)
    others = set(participants) - set(own_addresses)
    if all(covering_domain(other, excluded) for other in others):
        return Decision(verdict=Verdict.INTERNAL_ONLY)
    return Decision(verdict=Verdict.SHARED)


class LiveCopy(Contract):
    """What the rule needs to know of one live copy of an email."""

    account: str
    owner: str
    policy: SharingPolicy
    own_addresses: tuple[str, ...]
    bcc: tuple[str, ...] = ()


class CopyDecision(Contract):
    """What one live copy and one match say for one viewer: a line of ``explain``."""

    copy_of: LiveCopy
    match: Match
    decision: Decision


def decide(
    viewer: str,
    copies: Sequence[LiveCopy],
    matches: Sequence[Match],
    participants: Iterable[str],
    company: CompanyPolicy,
) -> list[CopyDecision]:
    """Apply the rule to an email that is linked to a record which the viewer may read.

    Returns one line for each live copy and match that belong together; the viewer sees the email there
    if and only if one of them grants. No live copy or no match: nobody sees it.
    """
    people = frozenset(participants)
    lines = []
    for copy in copies:
        for match in matches:
            if match.role is Role.BCC and match.account != copy.account:
                continue
            if copy.owner == viewer:
                decision = Decision(verdict=Verdict.OWN_COPY)
            else:
                decision = shares(
                    copy.policy,
                    company,
                    address=match.address,
                    role=match.role,
                    participants=people,
                    own_addresses=copy.own_addresses,
                )
            lines.append(CopyDecision(copy_of=copy, match=match, decision=decision))
    return lines


def may_see(lines: Iterable[CopyDecision]) -> bool:
    """Whether any line grants."""
    return any(line.decision.verdict.grants for line in lines)

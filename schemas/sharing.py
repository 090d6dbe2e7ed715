"""The rule of who sees what: pure functions, read by the matcher (stored flags) and by every reader (the guard).

The rule. Viewer V sees email M on record R if and only if M is linked to R, V may read R, and
(a) V owns a live copy of M, alone or as a member of a team, or (b) some live copy of M belongs to an account whose policy
shares the link.
A Bcc link is known only to the owner of the copy that has the Bcc.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from enum import StrEnum

from pydantic import Field, field_validator

from schemas.addresses import excludable_domain, in_domain
from schemas.base import Contract
from schemas.emails import Match
from schemas.mail import Role


class Mode(StrEnum):
    """Who may see an account's mail on the records it is about."""

    PRIVATE = "private"
    PUBLIC = "public"
    CUSTOM = "custom"
    """Like public, except for excluded domains."""


def _normal_domains(domains: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({excludable_domain(domain) for domain in domains}))


class SharingPolicy(Contract):
    """One account's setting."""

    mode: Mode
    """``private``, ``public`` or ``custom``."""
    excluded_domains: tuple[str, ...] = ()
    """Counts for mode ``custom`` only; kept through other modes so that going back to it is easy."""

    @field_validator("excluded_domains", mode="after")
    @classmethod
    def _normal(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        return _normal_domains(domains)


class CompanyPolicy(Contract):
    """The administrator's setting; a user cannot undo it."""

    excluded_domains: tuple[str, ...] = ()
    """Domains on whose records no mail is shared, whatever the mode."""
    default_mode: Mode = Mode.PUBLIC
    """The mode proposed for new mailboxes."""
    allowed_modes: tuple[Mode, ...] = (Mode.PRIVATE, Mode.PUBLIC, Mode.CUSTOM)
    """The modes that users may choose. A mailbox with another one counts as private."""
    internal_domains: tuple[str, ...] = ()
    """The company's own domains, confirmed by an administrator: a link by an address in one of them shares nothing."""
    opened_domains: tuple[str, ...] = ()
    """Domains for which the administrator switched that off; takes precedence over ``internal_domains`` and colleagues' addresses."""
    version: int = Field(default=0, ge=0)
    """How often the policy was changed. A change is saved only if it is based on the current version."""
    senders: tuple[str, ...] = ()
    """Addresses from which Leadmail sends its own mail. They are internal whatever domains are opened: it may hold a sign-in link."""

    @field_validator("excluded_domains", "internal_domains", "opened_domains", mode="after")
    @classmethod
    def _normal(cls, domains: tuple[str, ...]) -> tuple[str, ...]:
        return _normal_domains(domains)

    def replaced(self, **changes: object) -> CompanyPolicy:
        """Return a validated copy with other values for the named fields; every other field is kept."""
        return CompanyPolicy.model_validate({**dict(self), **changes})


class Verdict(StrEnum):
    """Which clause decided about one live copy for one viewer."""

    OWN_COPY = "own-copy"
    SHARED = "shared"
    MODE_PRIVATE = "mode-private"
    MODE_NOT_ALLOWED = "mode-not-allowed"
    WITHDRAWN = "withdrawn"
    """The owner of the copy keeps the email, or its thread, private."""
    BCC = "bcc"
    EXCLUDED_BY_COMPANY = "excluded-by-company"
    EXCLUDED_BY_OWNER = "excluded-by-owner"
    INTERNAL = "internal"
    """The link is by an address of the company's own people."""
    INTERNAL_ONLY = "internal-only"
    THREAD_NOT_ATTESTED = "thread-not-attested"
    """The link is by a thread that is not about the record in the mailboxes of the copy's owner, or now in no mailbox at all."""

    @property
    def grants(self) -> bool:
        """Whether this copy lets the viewer see the email on the record."""
        return self in (Verdict.OWN_COPY, Verdict.SHARED)


class Decision(Contract):
    """A verdict and the domain that it turned on, where one did."""

    verdict: Verdict
    """The clause of the sharing rule that decided."""
    domain: str | None = None
    """The excluded domain, if one decided."""


def covering_domain(address: str, domains: Iterable[str]) -> str | None:
    """Return the first of ``domains`` (normal forms) that covers a normal address."""
    return next((domain for domain in domains if in_domain(address, domain)), None)


def internal_among(addresses: Iterable[str], colleagues: Collection[str], company: CompanyPolicy) -> frozenset[str]:
    """Return which addresses are the company's own people.

    ``colleagues`` are those of the addresses that are a user's, or a proven address of a connected account.
    """
    return frozenset(
        address
        for address in addresses
        if address in company.senders
        or (
            (address in colleagues or covering_domain(address, company.internal_domains))
            and not covering_domain(address, company.opened_domains)
        )
    )


class LiveCopy(Contract):
    """What the rule needs to know of one live copy of an email."""

    account: str
    """The account that holds the copy."""
    owner: str
    """The user who owns the account, or the team (``schemas.identity``)."""
    policy: SharingPolicy
    """The account's sharing policy."""
    own_addresses: tuple[str, ...]
    """Proven addresses of the account."""
    bcc: tuple[str, ...] = ()
    """Bcc addresses of this copy."""
    withdrawn: bool = False
    """Its owner keeps the email private."""


class Subject(Contract):
    """What the rule needs to know of an email. It is the same for every holder of a copy."""

    participants: frozenset[str]
    """Normal addresses of everybody the email names. Not a copy's Bcc: what others see must not tell of it."""
    internal: frozenset[str]
    """Those of the participants and of the link's addresses that are the company's own people, see ``internal_among``."""
    attesting: frozenset[str] = frozenset()
    """Owners in whose mailboxes the email's thread is about the record. Only for a link by role ``thread``."""
    bounce: bool = False
    """Whether it is a bounce: one whose copy has a Bcc tells in its text who was in Bcc of the mail that bounced."""


def shares(copy: LiveCopy, match: Match, subject: Subject, company: CompanyPolicy) -> Decision:  # noqa: PLR0911 - one return a clause of the rule
    """Decide whether a live copy shares its email on a record with other users, by one match."""
    policy = copy.policy
    if policy.mode not in company.allowed_modes:
        return Decision(verdict=Verdict.MODE_NOT_ALLOWED)
    if policy.mode is Mode.PRIVATE:
        return Decision(verdict=Verdict.MODE_PRIVATE)
    if copy.withdrawn:
        return Decision(verdict=Verdict.WITHDRAWN)
    if match.role is Role.BCC or (subject.bounce and copy.bcc):
        return Decision(verdict=Verdict.BCC)
    if match.role is Role.THREAD and copy.owner not in subject.attesting:
        return Decision(verdict=Verdict.THREAD_NOT_ATTESTED)
    if match.address in subject.internal:
        return Decision(verdict=Verdict.INTERNAL)
    if domain := covering_domain(match.address, company.excluded_domains):
        return Decision(verdict=Verdict.EXCLUDED_BY_COMPANY, domain=domain)
    own_list = policy.excluded_domains if policy.mode is Mode.CUSTOM else ()
    if domain := covering_domain(match.address, own_list):
        return Decision(verdict=Verdict.EXCLUDED_BY_OWNER, domain=domain)
    excluded = (*company.excluded_domains, *own_list)
    others = subject.participants - subject.internal - set(copy.own_addresses)
    if all(covering_domain(other, excluded) for other in others):
        return Decision(verdict=Verdict.INTERNAL_ONLY)
    return Decision(verdict=Verdict.SHARED)


class CopyDecision(Contract):
    """What one live copy and one match say for one viewer: a line of ``explain``."""

    copy_of: LiveCopy
    """The copy."""
    match: Match
    """The reason why the email is on the record."""
    decision: Decision
    """What the rule says of both."""


def decide(
    owners: AbstractSet[str],
    copies: Sequence[LiveCopy],
    matches: Sequence[Match],
    subject: Subject,
    company: CompanyPolicy,
) -> list[CopyDecision]:
    """Apply the rule to an email that is linked to a record which the viewer may read.

    ``owners`` are the viewer and the teams that the viewer is a member of.

    Returns one line for each live copy and match that belong together. The viewer sees the email there
    if and only if one of them grants: without a live copy or a match no one does.
    """
    lines = []
    for copy in copies:
        for match in matches:
            if match.role is Role.BCC and (match.account != copy.account or match.address not in copy.bcc):
                continue
            if copy.owner not in owners:
                decision = shares(copy, match, subject, company)
            elif match.role is Role.THREAD and not subject.attesting:
                # A thread that no one's mail opens now puts the email on no page, its holders' included.
                decision = Decision(verdict=Verdict.THREAD_NOT_ATTESTED)
            else:
                decision = Decision(verdict=Verdict.OWN_COPY)
            lines.append(CopyDecision(copy_of=copy, match=match, decision=decision))
    return lines


def may_see(lines: Iterable[CopyDecision]) -> bool:
    """Whether any line grants."""
    return any(line.decision.verdict.grants for line in lines)

"""The company's own domains: proposed by set-up, confirmed, opened and closed by administrators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import NamedTuple

from schemas.accounts import AccountState
from schemas.addresses import InvalidDomainError, domain_of, excludable_domain, in_domain
from schemas.base import Contract
from schemas.sharing import CompanyPolicy, covering_domain, internal_among
from services.mailbox.public_mail import is_public_mail
from services.store import Store


class PublicMailError(InvalidDomainError):
    """Anyone can have an address at this domain, so that its mail is not internal."""


class ProposedDomain(Contract):
    """A domain that may be the company's own, for an administrator to confirm."""

    domain: str
    """The domain."""
    addresses: int
    """How many users and connected mailboxes have an address there."""


class DomainChange(NamedTuple):
    """What an administrator changes."""

    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    close: tuple[str, ...] = ()
    replace: tuple[str, ...] | None = None
    """The whole list of internal domains, if it is replaced."""


async def _own_addresses(store: Store) -> set[str]:
    addresses = {user.email for user in await store.users.get_all()}
    for account in await store.accounts.get_all():
        if account.state is not AccountState.DISCONNECTED:
            addresses |= account.own_addresses
    return addresses


async def proposed(store: Store) -> list[ProposedDomain]:
    """Return the domains of users' and mailboxes' addresses that are neither confirmed, opened, nor a public mail service's."""
    policy = await store.company.policy()
    counts: Counter[str] = Counter()
    for address in await _own_addresses(store):
        if not covering_domain(address, (*policy.internal_domains, *policy.opened_domains)):
            counts[domain_of(address)] += 1
    return [
        ProposedDomain(domain=name, addresses=count) for name, count in sorted(counts.items()) if _may_be_internal(name)
    ]


async def proposed_by(store: Store, addresses: Collection[str]) -> list[ProposedDomain]:
    """Return the proposed domains of some addresses, such as those of a mailbox that was just connected."""
    domains = set(map(domain_of, addresses))
    return [one for one in await proposed(store) if one.domain in domains]


def _may_be_internal(domain: str) -> bool:
    try:
        internal_domain(domain)
    except InvalidDomainError:
        return False
    return True


def internal_domain(typed: str) -> str:
    """Return the normal form of a domain that an administrator confirms as the company's own.

    Raises:
        InvalidDomainError: it is not a domain, or it is a public suffix or a public mail service's.
    """
    domain = excludable_domain(typed)
    if is_public_mail(domain):
        raise PublicMailError(
            f"{domain} is a public mail service, where anyone can have an address: it is not internal"
        )
    return domain


async def changed(store: Store, change: DomainChange) -> CompanyPolicy:
    """Return the current policy with a change.

    Raises:
        InvalidDomainError: one of the domains is not valid, is not on the list, or holds no internal address.
    """
    policy = await store.company.policy()
    base = policy.internal_domains if change.replace is None else map(internal_domain, change.replace)
    added = {internal_domain(one) for one in change.add}
    removed, closed = ({excludable_domain(one) for one in some} for some in (change.remove, change.close))
    opened = {excludable_domain(one) for one in change.open}
    _require_listed(removed, policy.internal_domains, "one of the company's domains")
    _require_listed(closed, policy.opened_domains, "an opened domain")
    internal = ({*base} | added) - removed
    if opened:
        await _require_internal(store, opened, internal)
    return policy.replaced(
        internal_domains=tuple(internal), opened_domains=tuple(({*policy.opened_domains} | opened) - closed)
    )


def _require_listed(domains: Iterable[str], listed: Collection[str], what: str) -> None:
    for domain in domains:
        if domain not in listed:
            raise InvalidDomainError(f"{domain} is not {what}: `leadmail company domains` lists them")


async def _require_internal(store: Store, domains: Iterable[str], internal: Collection[str]) -> None:
    own = await _own_addresses(store)
    for domain in domains:
        covered = covering_domain(f"x@{domain}", internal) or any(in_domain(f"x@{one}", domain) for one in internal)
        if not covered and not any(in_domain(address, domain) for address in own):
            raise InvalidDomainError(f"no address at {domain} is internal: there is nothing to open")


def opens(before: CompanyPolicy, after: CompanyPolicy) -> bool:
    """Whether a change may show mail that is hidden now. Such a change needs a preview and a confirmation."""
    lost = any(not covering_domain(f"x@{one}", after.internal_domains) for one in before.internal_domains)
    return lost or any(not covering_domain(f"x@{one}", before.opened_domains) for one in after.opened_domains)


async def internal_addresses(store: Store, addresses: Collection[str]) -> list[str]:
    """Return which addresses (normal forms) are internal, so that a record with them shows each viewer only their own mail."""
    colleagues = await store.colleagues.own_among(addresses)
    return sorted(internal_among(addresses, colleagues, await store.company.policy()))


async def internal_records(store: Store) -> int:
    """Return how many leads and contacts have an internal address."""
    policy = await store.company.policy()
    found = await store.record_addresses.at_domains(policy.internal_domains)
    records = {ref for address, ref in found if not covering_domain(address, policy.opened_domains)}
    own = {one for one in await _own_addresses(store) if not covering_domain(one, policy.opened_domains)}
    for refs in (await store.record_addresses.known(own)).values():
        records.update(refs)
    return len(records)

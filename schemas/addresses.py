"""One normal form of an e-mail address and of a domain, used wherever two of them are compared, and public suffixes.

Exact comparison only (CVE-2023-27043: parsers differ on malformed addresses, so what is not one plain
addr-spec is no address): lower case, domain as IDNA A-labels. ``a+x@d`` is another address than ``a@d``.
"""

from __future__ import annotations

import re
from functools import lru_cache

import idna
from publicsuffixlist import PublicSuffixList

from schemas.errors import LeadmailError

MAX_ADDRESS = 254
"""Octets, RFC 5321 section 4.5.3.1.3 (a path of 256 less its angle brackets)."""

_LOCAL = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]{1,252}")
"""Longer than RFC 5321 section 4.5.3.1.1 allows (64): addresses that programs make up for replies are."""
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class InvalidAddressError(LeadmailError, ValueError):
    """This is not one plain e-mail address."""


class InvalidDomainError(LeadmailError, ValueError):
    """This is not a domain name."""


class PublicSuffixError(InvalidDomainError):
    """Excluding a public suffix would exclude half the world."""


@lru_cache(maxsize=65536)
def normal_domain(domain: str) -> str:
    """Return ``domain`` in lower case as A-labels (RFC 5890), without a trailing dot.

    Raises:
        InvalidDomainError: it is no domain name.
    """
    name = domain.strip().rstrip(".").lower()
    if not name or len(name) > MAX_ADDRESS:
        raise InvalidDomainError(f"{domain!r} is not a domain name")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True, transitional=False).decode("ascii")
        except idna.IDNAError as error:
            raise InvalidDomainError(f"{domain!r} is not a domain name: {error}") from error
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise InvalidDomainError(f"{domain!r} is not a domain name")
    return name


@lru_cache(maxsize=65536)
def normal_address(address: str) -> str:
    """Return ``address`` in the one form in which addresses are stored and compared.

    Raises:
        InvalidAddressError: it is not exactly one addr-spec (RFC 5322 section 3.4.1, dot-atom form, or UTF-8 per RFC 6532).
    """
    local, at, domain = address.strip().rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(address) > MAX_ADDRESS:
        raise InvalidAddressError(f"{address!r} is not an e-mail address")
    try:
        return f"{local.lower()}@{normal_domain(domain)}"
    except InvalidDomainError as error:
        raise InvalidAddressError(f"{address!r} is not an e-mail address: {error}") from error


def normal_address_or_none(address: str) -> str | None:
    """Return the normal form, or None for what is no address: mail is full of such."""
    if len(address) > 2 * MAX_ADDRESS:  # which would fill the cache
        return None
    try:
        return normal_address(address)
    except InvalidAddressError:
        return None


def claimed_address(named: str) -> str | None:
    """Return the normal form of an address that an identity provider names as its user's; None if it is none.

    Lower case turns a few other characters, such as the Kelvin sign, into ASCII: that would be another user's address.
    """
    found = normal_address_or_none(named)
    return None if found and found.isascii() and not named.rpartition("@")[0].strip().isascii() else found


def domain_of(address: str) -> str:
    """Return the domain of a normal address."""
    return address.rpartition("@")[2]


def in_domain(address: str, domain: str) -> bool:
    """Whether a normal address lies in a normal domain or below it: ``acme.com`` covers ``x.acme.com``, never ``notacme.com``."""
    own = domain_of(address)
    return own == domain or own.endswith("." + domain)


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


def registered_domain(domain: str) -> str:
    """Return the part of a normal domain that can be registered, such as ``acme.co.uk``; a public suffix as it is."""
    return _suffixes().privatesuffix(domain) or domain

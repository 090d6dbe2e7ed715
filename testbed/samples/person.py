"""People who write mail: users, and leads and contacts."""

from dataclasses import dataclass

import idna


def normal(address: str) -> str:
    """Return the address as it is compared: lower case, domain in A-labels."""
    local, _, domain = address.lower().rpartition("@")
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A person who writes mail.

    Attributes:
        key: short name used by the scripts.
        addresses: the usual one first.
        client: the program they write with: gmail, outlook, apple, thunderbird, webmail, mobile.
        language: en, de or fr; decides closing, quoting and reply prefix.
        signature: lines below the name.
        offset: hours from UTC in their Date header.
    """

    key: str
    name: str
    addresses: tuple[str, ...]
    client: str = "gmail"
    language: str = "en"
    signature: tuple[str, ...] = ()
    offset: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Person):
    """A colleague with a mailbox; further addresses are aliases. ``sharing`` is public, private or custom."""

    sharing: str
    excluded_domains: tuple[str, ...] = ()
    admin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record(Person):
    """A lead or a contact; ``owner`` is a user's key, ``old`` the addresses that stay as history."""

    kind: str
    company: str
    owner: str
    old: tuple[str, ...] = ()

    @property
    def all_addresses(self) -> tuple[str, ...]:
        """Current addresses, then old ones."""
        return self.addresses + self.old

"""Who a mail names, in which role. The poller finds the same addresses, since both read them by ``schemas.header``.

Display names are decoded here, after it is decided where one mailbox ends and the next begins, so that what an encoded word says
can never become structure (RFC 2047 section 5).
"""

from __future__ import annotations

from collections.abc import Iterable

from schemas.header import REWRITTEN, NamedAddress, people_fields, read_addresses
from schemas.mail import Participant, Role
from services.parser.mime import limits
from services.parser.mime.diagnostics import Diagnostics
from services.parser.mime.headers import Fields, decoded, one_line

_ROLES = {
    "from": Role.FROM,
    "sender": Role.SENDER,
    **dict.fromkeys(REWRITTEN, Role.SENDER),
    "reply-to": Role.REPLY_TO,
    "to": Role.TO,
    "cc": Role.CC,
}
_RANK = {role: rank for rank, role in enumerate(dict.fromkeys(_ROLES.values()))}


def _name(mailbox: NamedAddress, diagnostics: Diagnostics, hint: str | None) -> str:
    name = mailbox.name
    if "=?" in name or not name.isascii():
        name = decoded(name.encode("utf-8", "surrogateescape"), diagnostics, hint)
    return one_line(name, limits.NAME)


def of_field(fields: Fields, name: str, diagnostics: Diagnostics, hint: str | None) -> list[tuple[str, str]]:
    """Return (display name, normal address) of every occurrence of an address field, in order."""
    found: list[tuple[str, str]] = []
    for value in fields.get(name, ()):
        if len(value) > limits.HEADER_VALUE:
            diagnostics.cut()
        read = read_addresses(value, limits.RECIPIENTS)
        if read.unread:
            diagnostics.defect("address", name)
        elif read.repaired and read.mailboxes:
            diagnostics.defect("address", "repaired")
        found += [(_name(mailbox, diagnostics, hint), mailbox.address) for mailbox in read.mailboxes]
        if len(found) >= limits.RECIPIENTS:
            break
    return found


def participants(fields: Fields, diagnostics: Diagnostics, hint: str | None) -> tuple[Participant, ...]:
    """Return the people that the header names, each address once per role, at most 1,000, without Bcc.

    Within a role they are sorted by address: copies may list them in another order, and no copy's own order is shown.
    """
    people: dict[tuple[str, Role], Participant] = {}
    for name in people_fields(fields):
        role = _ROLES[name]
        for display, address in of_field(fields, name, diagnostics, hint):
            known = people.get((address, role))
            if name in REWRITTEN and (address, Role.FROM) in people:
                continue
            if known is None or (display and not known.name):
                people[address, role] = Participant(address=address, name=display, role=role)
        if name == "from" and not people and any(map(bytes.strip, fields.get(name, ()))):
            diagnostics.defect("address", name)
    if len(people) > limits.RECIPIENTS:
        diagnostics.cut()
    kept = list(people.values())[: limits.RECIPIENTS]
    return tuple(sorted(kept, key=lambda person: (_RANK[person.role], person.address)))


def bcc(fields: Fields, diagnostics: Diagnostics, hint: str | None) -> tuple[str, ...]:
    """Return the addresses of the Bcc field, each once, at most 1,000."""
    found = of_field(fields, "bcc", diagnostics, hint)
    return tuple({address: None for _, address in found})[: limits.RECIPIENTS]


def in_role(people: Iterable[Participant], role: Role) -> tuple[str, ...]:
    """Return the addresses in a role, each once."""
    return tuple({person.address: None for person in people if person.role is role})


def with_failed(people: tuple[Participant, ...], failed: Iterable[str]) -> tuple[Participant, ...]:
    """Return the people of a bounce with those whom it is about: it comes from their side, and belongs on their page."""
    known = {person.address for person in people}
    more = (Participant(address=address, role=Role.SENDER) for address in sorted(failed) if address not in known)
    return (*people, *more)[: limits.RECIPIENTS]

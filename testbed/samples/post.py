"""Delivery: one mail becomes a copy for each user who holds it, with that copy's trace headers and truth."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from random import Random

from testbed.samples.company import DOMAIN, LATE_CONTACT, PEOPLE, RECORDS, addresses_of
from testbed.samples.model import AttachmentTruth, Link, SampleMail, Truth, rng
from testbed.samples.person import Person, normal
from testbed.samples.wire import Headers, head, mailboxes

RECORD_ADDRESSES = addresses_of(RECORDS)
LATE_ADDRESSES = addresses_of((LATE_CONTACT,))

NameAndAddress = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComposedMail:
    """A message before delivery.

    Attributes:
        key: identity of the message in the truths.
        parties: (name, address) by role: from, to, cc, bcc, reply-to.
        headers: all headers but trace, Bcc and content headers, in order.
        body: content headers, empty line, body.
        thread_link: the record that the thread leads to when no party is a record, "" if none.
    """

    key: str
    thread: str
    parties: Mapping[str, tuple[NameAndAddress, ...]]
    when: datetime
    headers: Headers
    body: bytes
    subject: str
    snippet: str
    charset: str
    attachments: tuple[AttachmentTruth, ...] = ()
    quoted: str | None = None
    mark: str | None = None
    quirk: str | None = None
    thread_link: str = ""


def party(spec: str) -> NameAndAddress:
    """Return (name, address) for a person's key, ``key/n`` for the n-th of all addresses (0 is the usual one)."""
    key, _, number = spec.partition("/")
    person = PEOPLE[key]
    addresses = person.addresses + getattr(person, "old", ())
    return person.name, addresses[int(number or 0)]


def person_of(spec: str) -> Person:
    """Return the person of a key with or without ``/n``."""
    return PEOPLE[spec.partition("/")[0]]


def links(composed: ComposedMail, known: Mapping[str, str], *, bcc: bool) -> frozenset[Link]:
    """Return the links to the known records; Bcc counts only on the copy that shows it."""
    found = {
        Link(known[normal(address)], normal(address), role)
        for role, people in composed.parties.items()
        if role != "bcc" or bcc
        for _, address in people
        if normal(address) in known
    }
    if not found and composed.thread_link in known.values():
        address = normal(PEOPLE[composed.thread_link].addresses[0])
        found.add(Link(composed.thread_link, address, "thread"))
    return frozenset(found)


def trace(composed: ComposedMail, address: str, arrived: datetime, numbers: Random) -> Headers:
    """Return what transport prepends to a copy: Return-Path, Delivered-To, Received lines, checks, a DKIM signature."""
    sender = normal(composed.parties["from"][0][1])
    domain = sender.partition("@")[2]
    moment, hops = arrived, []
    hosts = ["store-2", "filter", "mx1"][: 3 if domain != DOMAIN else 1]
    for number, host in enumerate(hosts):
        source = f"{hosts[number + 1]}.{DOMAIN}" if number + 1 < len(hosts) else f"out{numbers.randrange(9)}.{domain}"
        hops.append(
            (
                "Received",
                (
                    f"from {source} (198.51.100.{numbers.randrange(1, 250)})\r\n by {host}.{DOMAIN} with ESMTPS id "
                    f"{numbers.randbytes(6).hex()}\r\n (version=TLSv1.3 cipher=TLS_AES_256_GCM_SHA384) for <{address}>;\r\n "
                    f"{format_datetime(moment)}"
                ),
            )
        )
        moment -= timedelta(seconds=numbers.randrange(1, 3))
    token = numbers.randbytes(96).hex()
    signature = "\r\n ".join(token[at : at + 64] for at in range(0, len(token), 64))
    checks = [] if domain == DOMAIN else [
        ("Authentication-Results", (f"mx1.{DOMAIN};\r\n dkim=pass header.d={domain}; spf=pass smtp.mailfrom={sender};"
         f"\r\n dmarc=pass header.from={domain}")),
        ("DKIM-Signature", (f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s=k{numbers.randrange(1, 9)};"
         f"\r\n h=from:to:subject:date:message-id;\r\n bh={token[:43]}=;\r\n b={signature}")),
        ("X-Spam-Status", f"No, score={numbers.uniform(-2, 1):.1f}"),
    ]  # fmt: skip
    return_path = "<>" if composed.mark == "bounce" else f"<{sender}>"  # RFC 3464: a bounce has no sender to bounce to
    return [("Return-Path", return_path), ("Delivered-To", address), *hops, *checks]


def post(
    composed: ComposedMail, user: str, folder: str, flags: tuple[str, ...], *, seed: int, delivery: str = ""
) -> SampleMail:
    """Return the copy of a mail that a user holds.

    The sender's own copy (any folder, never INBOX by mail to oneself) has the Bcc header and no trace headers. ``delivery``
    distinguishes deliveries of the same mail to the same folder.
    """
    own = party(user)[1]
    sent = composed.parties["from"][0][1] in PEOPLE[user].addresses
    numbers = rng(seed, composed.key, user, folder, delivery)
    arrived = composed.when + timedelta(seconds=0 if sent else numbers.randrange(2, 40))
    bcc = composed.parties.get("bcc", ())
    if sent:
        above: Headers = [("Bcc", mailboxes(bcc))] if bcc else []
    else:
        above = trace(composed, normal(own), arrived, numbers)
    everyone = {normal(address) for people in composed.parties.values() for _, address in people}
    truth = Truth(
        email=composed.key,
        thread=composed.thread,
        subject=composed.subject,
        snippet=composed.snippet,
        charset=composed.charset,
        links=links(composed, RECORD_ADDRESSES, bcc=sent),
        late_links=links(composed, LATE_ADDRESSES, bcc=sent),
        attachments=composed.attachments,
        quoted=composed.quoted,
        mark=composed.mark,
        quirk=composed.quirk,
        internal=all(address.endswith("@" + DOMAIN) for address in everyone),
    )
    return SampleMail(user, folder, flags, arrived, head(above) + head(composed.headers) + composed.body, truth)

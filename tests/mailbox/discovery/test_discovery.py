"""From an address to its servers, against a real DNS server, a real HTTPS server and real TLS."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator

import dns.asyncresolver
import pytest

from schemas.accounts import ServerAddress
from schemas.addresses import InvalidAddressError
from services.mailbox.connection.policy import ConnectPolicy
from services.mailbox.discovery.autoconfig import parse_autoconfig
from services.mailbox.discovery.discovery import Discovered, Discovery, Ports
from services.mailbox.discovery.dns import Dns
from services.mailbox.discovery.https_get import MAX_BYTES, HttpsGet
from tests.mailbox.discovery.network import Web, Zone, dns_server, https_server
from tests.mailbox.scripted_server import Authority, Scripted, imap, make_policy, smtp

ADDRESS = "ann@acme.example"
AUTOCONFIG = "autoconfig.acme.example/mail/config-v1.1.xml?emailaddress=ann%40acme.example"
WELL_KNOWN = "acme.example/.well-known/autoconfig/mail/config-v1.1.xml"
DOCUMENT = b"""<?xml version="1.0"?>
<clientConfig version="1.1"><emailProvider id="acme.example"><domain>acme.example</domain>
  <incomingServer type="pop3"><hostname>pop.acme.example</hostname><port>995</port><socketType>SSL</socketType>
    <username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
  <incomingServer type="imap"><hostname>plain.acme.example</hostname><port>143</port><socketType>plain</socketType>
    <username>%EMAILADDRESS%</username><authentication>password-cleartext</authentication></incomingServer>
  <incomingServer type="imap"><hostname>imap.%EMAILDOMAIN%</hostname><port>993</port><socketType>SSL</socketType>
    <username>%EMAILLOCALPART%</username><authentication>password-cleartext</authentication></incomingServer>
  <outgoingServer type="smtp"><hostname>smtp.acme.example</hostname><port>587</port><socketType>STARTTLS</socketType>
    <username>%EMAILADDRESS%</username><authentication>plain</authentication></outgoingServer>
</emailProvider></clientConfig>"""
NAMES = (
    "acme.example",
    "autoconfig.acme.example",
    "imap.acme.example",
    "mail.acme.example",
    "smtp.acme.example",
    "elsewhere.example",
)


@pytest.fixture
def names(authority: Authority) -> ConnectPolicy:
    """A policy that finds all of acme.example's hosts on loopback."""
    return make_policy(authority.ca_file, **{name.replace(".", "__"): "127.0.0.1" for name in NAMES})


@pytest.fixture
async def web(authority: Authority) -> AsyncIterator[Web]:
    """An HTTPS server with a certificate for acme.example and its autoconfig host."""
    async with https_server(authority.server(*NAMES)) as running:
        yield running


async def _discover(
    zone: Zone,
    web: Web,
    policy: ConnectPolicy,
    address: str = ADDRESS,
    ports: Ports = Ports(1, 1, 1, 1),  # noqa: B008  a frozen constant
) -> Discovered:
    async with dns_server(zone) as resolver:
        fetch = HttpsGet(policy=policy, timeout=3, port=web.port)
        return await Discovery(dns=Dns(resolver=resolver, timeout=2), fetch=fetch, policy=policy, ports=ports).discover(
            address
        )


async def test_a_known_domain_needs_no_question(names: ConnectPolicy, web: Web) -> None:
    """Gmail is known by its domain: no DNS, no web."""
    unreachable = dns.asyncresolver.Resolver(configure=False)
    fetch = HttpsGet(policy=names, port=web.port)
    found = await Discovery(dns=Dns(resolver=unreachable), fetch=fetch, policy=names).discover("Ann@GMail.com")
    assert found.provider is not None
    assert (found.provider.key, found.source, found.auth) == ("gmail", "directory", ("app-password", "oauth2"))
    assert found.incoming == ServerAddress(host="imap.gmail.com", port=993, tls="tls", username="ann@gmail.com")
    assert found.outgoing == ServerAddress(host="smtp.gmail.com", port=465, tls="tls", username="ann@gmail.com")
    assert web.asked == []


async def test_a_hosted_domain_is_known_by_its_exchangers(names: ConnectPolicy, web: Web) -> None:
    """The best exchanger that belongs to a service decides, and the web is not asked."""
    zone = {("acme.example", "MX"): ["20 alt.example.", "10 acme-example.mail.protection.outlook.com."]}
    found = await _discover(zone, web, names)
    assert found.provider is not None
    assert (found.provider.key, found.source, found.auth) == ("microsoft365", "mx", ("oauth2",))
    assert "OAuth2" in " ".join(found.notes)
    assert web.asked == []


async def test_a_domain_that_does_not_exist_is_reported(names: ConnectPolicy, web: Web) -> None:
    """A misspelt domain gives a note about the spelling, and no connection is made."""
    found = await _discover({("other.example", "MX"): ["10 mx.other.example."]}, web, names, "ann@acmee.example")
    assert found.incoming is found.outgoing is None
    assert "spelling" in found.notes[0]
    assert web.asked == []


async def test_srv_records_name_the_servers(names: ConnectPolicy, web: Web) -> None:
    """RFC 6186 and 8314 records are taken, implicit TLS first; the user is the whole address."""
    zone = {
        ("acme.example", "MX"): ["10 mx.acme.example."],
        ("_imaps._tcp.acme.example", "SRV"): ["0 1 993 imap.acme.example."],
        ("_submissions._tcp.acme.example", "SRV"): ["0 1 465 smtp.acme.example."],
    }
    found = await _discover(zone, web, names)
    assert found.source == "srv"
    assert found.incoming == ServerAddress(host="imap.acme.example", port=993, tls="tls", username=ADDRESS)
    assert found.outgoing == ServerAddress(host="smtp.acme.example", port=465, tls="tls", username=ADDRESS)
    assert found.confirm == ()


async def test_a_server_outside_the_domain_must_be_confirmed(names: ConnectPolicy, web: Web) -> None:
    """DNS can be forged: a host that only an SRV record names has to be confirmed by the user."""
    zone = {
        ("acme.example", "MX"): ["10 mx.acme.example."],
        ("_imap._tcp.acme.example", "SRV"): ["0 1 143 notacme.example."],
        ("_submission._tcp.acme.example", "SRV"): ["0 1 587 smtp.acme.example."],
    }
    found = await _discover(zone, web, names)
    assert found.incoming is not None
    assert found.outgoing is not None
    assert (found.incoming.tls, found.outgoing.tls) == ("starttls", "starttls")
    assert found.confirm == ("notacme.example",)


async def test_of_several_servers_the_first_that_answers_is_taken(
    names: ConnectPolicy, web: Web, authority: Authority
) -> None:
    """By priority, then weight; a server that is down loses to the next."""
    with Scripted(imap({}), tls=authority.server("mail.acme.example")) as alive:
        zone = {
            ("acme.example", "MX"): ["10 mx.acme.example."],
            ("_imaps._tcp.acme.example", "SRV"): [
                f"20 9 {alive.port} imap.acme.example.", f"10 1 {alive.port} mail.acme.example.", "10 5 1 imap.acme.example.",
            ],
        }  # fmt: skip
        found = await _discover(zone, web, names)
    assert found.incoming is not None
    assert (found.incoming.host, found.incoming.port) == ("mail.acme.example", alive.port)


async def test_a_service_that_is_declared_absent_is_not_taken(names: ConnectPolicy, web: Web) -> None:
    """The SRV target "." says that there is none (RFC 6186): the next source is asked."""
    web.page(AUTOCONFIG, DOCUMENT)
    zone = {("acme.example", "MX"): ["10 mx.acme.example."], ("_imaps._tcp.acme.example", "SRV"): ["0 0 0 ."]}
    found = await _discover(zone, web, names)
    assert found.source == "autoconfig"


@pytest.mark.parametrize("url", [AUTOCONFIG, WELL_KNOWN])
async def test_the_autoconfig_document_names_the_servers(names: ConnectPolicy, web: Web, url: str) -> None:
    """At either of its two places; encrypted IMAP only, placeholders filled in."""
    web.page(url, DOCUMENT)
    found = await _discover({("acme.example", "MX"): ["10 mx.acme.example."]}, web, names)
    assert found.source == "autoconfig"
    assert found.incoming == ServerAddress(host="imap.acme.example", port=993, tls="tls", username="ann")
    assert found.outgoing == ServerAddress(host="smtp.acme.example", port=587, tls="starttls", username=ADDRESS)
    assert found.auth == ("password",)


async def test_each_server_comes_from_the_first_source_that_has_it(names: ConnectPolicy, web: Web) -> None:
    """An SRV record for IMAP alone is completed by the document's SMTP server."""
    web.page(AUTOCONFIG, DOCUMENT)
    zone = {
        ("acme.example", "MX"): ["10 mx.acme.example."],
        ("_imaps._tcp.acme.example", "SRV"): ["0 1 993 mail.acme.example."],
    }
    found = await _discover(zone, web, names)
    assert found.incoming is not None
    assert found.outgoing is not None
    assert (found.incoming.host, found.outgoing.host, found.source) == ("mail.acme.example", "smtp.acme.example", "srv")


@pytest.mark.parametrize(
    "record",
    [
        {("autodiscover.acme.example", "CNAME"): ["autodiscover.outlook.com."]},
        {
            ("acme.example", "TXT"): [
                '"v=spf1 include:mail.filter.example include:spf.prot" "ection.outlook.com -all"',
                '"other"',
            ]
        },
    ],
)
async def test_a_company_behind_a_mail_filter_is_recognised(names: ConnectPolicy, web: Web, record: Zone) -> None:
    """Where the exchanger is a filter, the alias of autodiscover or the SPF record shows who runs the mailboxes."""
    zone = {("acme.example", "MX"): ["10 eu-smtp-inbound-1.filter.example."], **record}
    found = await _discover(zone, web, names)
    assert found.provider is not None
    assert (found.provider.key, found.source) == ("microsoft365", "hint")


async def test_two_senders_in_the_spf_record_are_no_hint(names: ConnectPolicy, web: Web) -> None:
    """Who sends through two services may have the mailboxes at either: nothing is concluded."""
    spf = '"v=spf1 include:spf.protection.outlook.com include:_spf.google.com -all"'
    zone = {("acme.example", "MX"): ["10 mx.filter.example."], ("acme.example", "TXT"): [spf]}
    assert (await _discover(zone, web, names)).source == "none"


async def test_what_the_domain_declares_takes_precedence_over_hints(names: ConnectPolicy, web: Web) -> None:
    """An autoconfig document of the domain's own outranks what its SPF record suggests."""
    web.page(AUTOCONFIG, DOCUMENT)
    spf = '"v=spf1 include:_spf.google.com -all"'
    zone = {("acme.example", "MX"): ["10 mx.acme.example."], ("acme.example", "TXT"): [spf]}
    assert (await _discover(zone, web, names)).source == "autoconfig"


async def test_usual_names_are_tried_and_no_password_is_sent(
    names: ConnectPolicy, web: Web, authority: Authority
) -> None:
    """Without any declaration imap., mail. and smtp. are tried; only what shows a valid certificate counts."""
    certificate = authority.server("mail.acme.example")  # not imap.acme.example: that name's handshake fails
    zone = {("acme.example", "MX"): ["10 mx.acme.example."]}
    with (
        Scripted(imap({}), tls=certificate) as incoming,
        Scripted(smtp({}), tls=authority.server("smtp.acme.example")) as outgoing,
    ):
        found = await _discover(
            zone, web, names, ports=Ports(imaps=incoming.port, imap=1, submissions=outgoing.port, submission=1)
        )
        assert found.incoming == ServerAddress(
            host="mail.acme.example", port=incoming.port, tls="tls", username=ADDRESS
        )
        assert found.outgoing == ServerAddress(
            host="smtp.acme.example", port=outgoing.port, tls="tls", username=ADDRESS
        )
        assert found.source == "guess"
        assert not any("LOGIN" in line or "AUTH" in line for line in incoming.heard + outgoing.heard)


async def test_plain_text_servers_are_never_guessed(names: ConnectPolicy, web: Web) -> None:
    """A server without encryption is not proposed, although this policy allows plain text."""
    with Scripted(imap({})) as plain:
        found = await _discover(
            {("acme.example", "MX"): ["10 mx.acme.example."]}, web, names, ports=Ports(1, plain.port, 1, 1)
        )
    assert found.incoming is None
    assert "ask your mail provider" in found.notes[0]


async def test_what_is_no_address_is_refused(names: ConnectPolicy, web: Web) -> None:
    """Nothing is asked for something that is no address."""
    for address in ("ann", "ann@", "ann@acme.example\r\nX: y", "ann@acme example"):
        with pytest.raises(InvalidAddressError):
            await _discover({}, web, names, address)
    assert web.asked == []


async def test_a_silent_dns_is_given_up(names: ConnectPolicy, web: Web) -> None:
    """A resolver that never answers costs its time-out a question, and the other sources are still asked."""
    web.page(AUTOCONFIG, DOCUMENT)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
    silent = dns.asyncresolver.Resolver(configure=False)
    silent.nameservers, silent.port = ["127.0.0.1"], transport.get_extra_info("sockname")[1]
    silent.lifetime = silent.timeout = 3600.0  # the resolver's own patience would outlast this test
    try:
        fetch = HttpsGet(policy=names, timeout=3, port=web.port)
        found = await Discovery(dns=Dns(resolver=silent, timeout=0.3), fetch=fetch, policy=names).discover(ADDRESS)
    finally:
        transport.close()
    assert found.source == "autoconfig"


async def test_redirects_stay_with_https_and_the_guard(names: ConnectPolicy, web: Web) -> None:
    """A redirect to another https host is followed, to plain http or without end it is not."""
    fetch = HttpsGet(policy=names, timeout=3, port=web.port)
    web.page("elsewhere.example/real.xml", DOCUMENT)
    web.redirect("acme.example/a", f"https://elsewhere.example:{web.port}/real.xml")
    web.redirect("acme.example/b", "http://elsewhere.example/real.xml")
    web.redirect("acme.example/c", "/c")
    web.redirect("acme.example/d", f"https://unknown.example:{web.port}/real.xml")
    assert await fetch("https://acme.example/a") == DOCUMENT
    for path in "bcd":
        assert await fetch(f"https://acme.example/{path}") is None


async def test_private_hosts_are_not_fetched_from(names: ConnectPolicy, web: Web, authority: Authority) -> None:
    """Without the operator's leave a document on a private address is out of reach."""
    web.page("acme.example/x", DOCUMENT)
    strict = dataclasses.replace(names, guard=dataclasses.replace(names.guard, allow=()))
    assert await HttpsGet(policy=strict, port=web.port)("https://acme.example/x") is None
    assert web.asked == []


async def test_large_and_slow_documents_are_given_up(names: ConnectPolicy, web: Web, authority: Authority) -> None:
    """A document that is too large and a server that drips without end are given up."""
    web.page("acme.example/large", b"x" * (MAX_BYTES + 1))
    assert await HttpsGet(policy=names, timeout=3, port=web.port)("https://acme.example/large") is None

    def drip(talk: object) -> None:
        while True:
            talk.sock.sendall(b"H")  # type: ignore[attr-defined]
            time.sleep(0.05)

    with Scripted(drip, tls=authority.server("acme.example")) as slow:
        assert await HttpsGet(policy=names, timeout=0.5, port=slow.port)("https://acme.example/x") is None


@pytest.mark.parametrize(
    "document",
    [
        b"", b"<html></html>", b"not xml", b"<clientConfig/>", b"<clientConfig><emailProvider/></clientConfig>",
        DOCUMENT.replace(b"SSL", b"plain").replace(b"STARTTLS", b"plain"),
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + DOCUMENT.split(b"?>")[1],
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">' + DOCUMENT.split(b"?>")[1],
    ],
)  # fmt: skip
def test_a_hostile_or_useless_document_is_none(document: bytes) -> None:
    """Other documents, entity bombs, external entities and plain-text-only servers propose nothing."""
    assert parse_autoconfig(document, ADDRESS) is None


def test_a_document_for_tokens_only_says_so() -> None:
    """Where every incoming server wants OAuth2, a password will not do."""
    found = parse_autoconfig(DOCUMENT.replace(b"password-cleartext", b"OAuth2"), ADDRESS)
    assert found is not None
    assert found.oauth2_only


@pytest.mark.parametrize(
    ("zone", "address", "host", "declared"),
    [
        ({}, "ann@gmail.com", "imap.gmail.com", True),
        ({}, "ann@gmail.com", "imap.acme.example", False),
        ({("acme.example", "MX"): ["10 aspmx.l.google.com."]}, ADDRESS, "imap.gmail.com", True),
        ({("acme.example", "MX"): ["10 aspmx.l.google.com."]}, ADDRESS, "imap.acme.example", False),
        ({("_imaps._tcp.acme.example", "SRV"): ["0 1 993 imap.acme.example."]}, ADDRESS, "IMAP.acme.example", True),
        ({("_imaps._tcp.acme.example", "SRV"): ["0 1 993 imap.acme.example."]}, ADDRESS, "mail.acme.example", False),
        ({("_imaps._tcp.acme.example", "SRV"): ["0 1 995 imap.acme.example."]}, ADDRESS, "imap.acme.example", False),
        ({("acme.example", "MX"): ["10 mx.acme.example."]}, ADDRESS, "imap.acme.example", False),
    ],
)
async def test_only_what_the_domain_declares_proves_an_address(
    names: ConnectPolicy, web: Web, zone: Zone, address: str, host: str, *, declared: bool
) -> None:
    """The directory, MX and SRV do. A usual name is a guess: anyone could run a server and type its name."""
    async with dns_server(zone) as resolver:
        fetch = HttpsGet(policy=names, timeout=3, port=web.port)
        discovery = Discovery(dns=Dns(resolver=resolver, timeout=2), fetch=fetch, policy=names)
        server = ServerAddress(host=host, port=993, tls="tls", username=address)
        assert await discovery.declares(address, server) is declared

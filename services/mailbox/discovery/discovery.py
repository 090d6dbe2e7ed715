"""From an e-mail address to its servers.

For each of the two servers the first source that knows it decides:

1. the directory, by the address's domain, or by the domain's mail exchangers;
2. SRV records (RFC 6186, RFC 8314 section 5.1);
3. the domain's autoconfig document, over HTTPS;
4. other hints in the DNS (companies often have a mail filter as their exchanger);
5. the usual names, tried one after the other.

Only encrypted servers are proposed. DNS can be forged, so the user sees what 2 and 5 find before they enter a password:
``confirm`` names the servers outside the address's own domain (RFC 6186 section 6).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

from schemas.accounts import ServerAddress, Tls
from schemas.addresses import domain_of, in_domain, normal_address
from services.mailbox.connection import ConnectPolicy, Protocol
from services.mailbox.discovery.autoconfig import Autoconfig, parse_autoconfig
from services.mailbox.discovery.dns import Dns
from services.mailbox.discovery.probe import first_that_answers
from services.mailbox.providers import AuthKind, Directory, Provider, directory

Source = Literal["directory", "mx", "srv", "autoconfig", "hint", "guess", "none"]
Fetch = Callable[[str], Awaitable[bytes | None]]
"""Returns the document at an https URL, or None."""
_TLS: tuple[Tls, Tls] = ("tls", "starttls")


@dataclass(frozen=True, slots=True)
class Discovered:
    """The servers of an address. A server that was not found is None and must be typed."""

    address: str
    provider: Provider | None
    incoming: ServerAddress | None
    outgoing: ServerAddress | None
    auth: tuple[AuthKind, ...]
    source: Source
    """How the incoming server was found (or the outgoing one, if only that was found)."""
    notes: tuple[str, ...] = ()
    """Sentences for the user."""
    confirm: tuple[str, ...] = ()
    """Hosts outside the address's domain for which DNS is the only evidence: ask before sending a password there."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the usual names; only tests use others."""

    imaps: int = 993
    imap: int = 143
    submissions: int = 465
    submission: int = 587


@dataclass(frozen=True, slots=True)
class Discovery:
    """Finds servers. ``fetch`` is an ``HttpsGet``."""

    dns: Dns
    fetch: Fetch
    policy: ConnectPolicy
    ports: Ports = Ports()

    async def discover(self, address: str) -> Discovered:
        """Return the servers of ``address``.

        Raises:
            InvalidAddressError: it is no e-mail address.
        """
        address = normal_address(address)
        known = directory()
        if provider := known.for_address(address):
            return of_provider(address, provider, "directory")
        domain = domain_of(address)
        exchangers = await self.dns.exchangers(domain)
        if exchangers is None:
            return _nothing(address, f"There is no domain {domain}: check the spelling of the address.")
        if provider := known.for_exchangers(exchangers):
            return of_provider(address, provider, "mx")
        return await self._of_domain(address, domain, known)

    async def declares(self, address: str, server: ServerAddress) -> bool:
        """Whether an address's own domain says that a server serves its mail: by the directory, MX, SRV or autoconfig.

        Neither a guess nor what a user typed counts, so that a login there shows whose address it is. Asks no mail server.

        Raises:
            InvalidAddressError: it is no e-mail address.
        """
        address, known = normal_address(address), directory()
        domain = domain_of(address)
        provider = known.for_address(address) or known.for_exchangers(await self.dns.exchangers(domain) or ())
        if provider is not None:
            declared = [provider.imap.address("")]
        else:
            records, document = await asyncio.gather(self._records(domain), self._document(address, domain))
            declared = [*records[0], *(document.incoming if document else ())]
        return any((one.host, one.port, one.tls) == (server.host.lower(), server.port, server.tls) for one in declared)

    async def _of_domain(self, address: str, domain: str, known: Directory) -> Discovered:
        records, document, hints = await asyncio.gather(
            self._records(domain), self._document(address, domain), self.dns.hints(domain)
        )
        if not any(records) and document is None and (provider := known.for_hints(hints)):
            return of_provider(address, provider, "hint")
        incoming, source = await self._choose(
            "imap", domain, address, records[0], document.incoming if document else ()
        )
        outgoing, outgoing_source = await self._choose(
            "smtp", domain, address, records[1], document.outgoing if document else ()
        )
        if incoming is None and outgoing is None:
            return _nothing(
                address,
                f"No mail servers were found for {domain}: ask your mail provider for their names and type them.",
            )
        provider = known.for_server(incoming.host) if incoming else None
        auth: tuple[AuthKind, ...] = ("password",)
        if provider:
            auth = provider.auth
        elif document and document.oauth2_only:
            auth = ("oauth2",)
        dns_only = {"srv", "guess"}
        foreign = {
            server.host
            for server, origin in ((incoming, source), (outgoing, outgoing_source))
            if server and origin in dns_only and not in_domain(f"x@{server.host}", domain)
        }
        missing = [name for name, server in (("incoming", incoming), ("outgoing", outgoing)) if server is None]
        return Discovered(
            address=address,
            provider=provider,
            incoming=incoming,
            outgoing=outgoing,
            auth=auth,
            source=source if incoming else outgoing_source,
            notes=tuple(
                f"The {name} server was not found: ask your mail provider for its name and type it." for name in missing
            ),
            confirm=tuple(sorted(foreign)),
        )

    async def _choose(
        self,
        protocol: Protocol,
        domain: str,
        address: str,
        records: Sequence[ServerAddress],
        proposed: Sequence[ServerAddress],
    ) -> tuple[ServerAddress | None, Source]:
        for servers, source in ((_named(records, address), "srv"), (list(proposed), "autoconfig")):
            if servers:
                # What the domain itself declares is used even if it does not answer at the moment: the log-in check says why.
                chosen = await first_that_answers(servers, protocol, policy=self.policy) if len(servers) > 1 else None
                return chosen or servers[0], "srv" if source == "srv" else "autoconfig"
        guessed = await first_that_answers(self._guesses(protocol, domain, address), protocol, policy=self.policy)
        return guessed, "guess" if guessed else "none"

    async def _records(self, domain: str) -> tuple[list[ServerAddress], list[ServerAddress]]:
        found = await asyncio.gather(
            *(self.dns.services(domain, f"_{name}._tcp") for name in ("imaps", "imap", "submissions", "submission"))
        )
        imaps, imap, submissions, submission = (
            [ServerAddress(host=at.host, port=at.port, tls=tls, username="") for at in services]
            for services, tls in zip(found, (*_TLS, *_TLS), strict=True)
        )
        return imaps + imap, submissions + submission

    async def _document(self, address: str, domain: str) -> Autoconfig | None:
        urls = (
            f"https://autoconfig.{domain}/mail/config-v1.1.xml?emailaddress={quote(address)}",
            f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml",
        )
        for document in await asyncio.gather(*(self.fetch(url) for url in urls)):
            if document and (found := parse_autoconfig(document, address)):
                return found
        return None

    def _guesses(self, protocol: Protocol, domain: str, address: str) -> list[ServerAddress]:
        tls, starttls = (
            (self.ports.imaps, self.ports.imap)
            if protocol == "imap"
            else (self.ports.submissions, self.ports.submission)
        )
        names = (f"imap.{domain}", f"mail.{domain}") if protocol == "imap" else (f"smtp.{domain}", f"mail.{domain}")
        return [ServerAddress(host=name, port=tls, tls="tls", username=address) for name in names] + [
            ServerAddress(host=name, port=starttls, tls="starttls", username=address) for name in names
        ]


def of_provider(address: str, provider: Provider, source: Source) -> Discovered:
    """Return the servers of a known provider for an address in normal form."""
    name = provider.login_name(address)
    return Discovered(
        address=address,
        provider=provider,
        incoming=provider.imap.address(name),
        outgoing=provider.smtp.address(name),
        auth=provider.auth,
        source=source,
        notes=(provider.note,) if provider.note else (),
    )


def _nothing(address: str, note: str) -> Discovered:
    return Discovered(
        address=address, provider=None, incoming=None, outgoing=None, auth=("password",), source="none", notes=(note,)
    )


def _named(servers: Sequence[ServerAddress], address: str) -> list[ServerAddress]:
    return [server.model_copy(update={"username": address}) for server in servers]

"""The DNS queries of discovery. Answers are proposals and never trusted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver

from services.mailbox.connection import HostNameError, host_name


@dataclass(frozen=True, slots=True)
class Service:
    """The server of a service (RFC 2782)."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Dns:
    """Queries a resolver, by default the system's; ``timeout`` (seconds) bounds one query."""

    resolver: dns.asyncresolver.Resolver = field(default_factory=dns.asyncresolver.Resolver)
    timeout: float = 5.0

    async def exchangers(self, domain: str) -> list[str] | None:
        """Return the mail exchangers of a domain, best first; [] for none, None if the domain does not exist.

        A null MX (RFC 7505: the domain accepts no mail) counts as none.
        """
        try:
            records = await self._ask(domain, "MX")
        except dns.resolver.NXDOMAIN:
            return None
        found = sorted((record.preference, record.exchange.to_text(omit_final_dot=True)) for record in records)
        return [name.lower() for _, name in found if name not in {"", "."}]

    async def services(self, domain: str, service: str) -> list[Service]:
        """Return the servers of ``_imaps._tcp`` and the like, by priority, then weight (RFC 2782); [] for none.

        The target "." means that the domain does not offer the service (RFC 6186 section 3.4).
        """
        try:
            records = await self._ask(f"{service}.{domain}", "SRV")
        except dns.resolver.NXDOMAIN:
            return []
        # The heavier first instead of at random: a user waits, and expects the same answer tomorrow.
        ranked = sorted(
            (record.priority, -record.weight, record.target.to_text(omit_final_dot=True), record.port)
            for record in records
        )
        return [Service(host=host, port=port) for host, port in _usable((name, port) for _, _, name, port in ranked)]

    async def hints(self, domain: str) -> set[str]:
        """Return names that show who runs a domain's mail even if its exchanger is a mail filter.

        They are the target of the ``autodiscover.`` alias and the includes of the SPF record (RFC 7208 section 5.2).
        """
        found: set[str] = set()
        for name, kind in ((f"autodiscover.{domain}", "CNAME"), (domain, "TXT")):
            try:
                records = await self._ask(name, kind)
            except dns.resolver.NXDOMAIN:
                continue
            for record in records:
                if kind == "CNAME":
                    found.add(record.target.to_text(omit_final_dot=True).lower())
                elif (text := b"".join(record.strings).decode("ascii", "replace").lower()).startswith("v=spf1 "):
                    found |= {term.removeprefix("include:") for term in text.split() if term.startswith("include:")}
        return found

    async def _ask(self, name: str, kind: str) -> list[Any]:
        try:
            answer = await self.resolver.resolve(name, kind, lifetime=self.timeout, search=False)
        except dns.resolver.NXDOMAIN:
            raise
        except dns.exception.DNSException:
            return []
        return list(answer)


def _usable(targets: Iterable[tuple[str, int]]) -> Iterable[tuple[str, int]]:
    for name, port in targets:
        try:
            yield host_name(name), port
        except HostNameError:
            continue  # "." or nonsense

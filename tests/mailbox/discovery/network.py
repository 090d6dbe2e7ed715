"""A DNS server and an HTTPS server on loopback, for discovery."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Zone = Mapping[tuple[str, str], list[str]]
"""Record texts by (name, type), for instance ("acme.example", "MX"): ["10 mx.acme.example."]."""


class _Server(asyncio.DatagramProtocol):
    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        if records := self._zone.get((name, kind)):
            answer.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *records))
        elif not any(known == name or known.endswith("." + name) for known, _ in self._zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)


@asynccontextmanager
async def dns_server(zone: Zone) -> AsyncIterator[dns.asyncresolver.Resolver]:
    """Serve ``zone`` over UDP; yields a resolver that asks only it."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Server(zone), local_addr=("127.0.0.1", 0))
    try:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        resolver.port = transport.get_extra_info("sockname")[1]
        yield resolver
    finally:
        transport.close()


class Web:
    """What the HTTPS server has: whole responses by ``host/path?query``, and what it was asked for."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.port = 0

    def page(self, url: str, body: bytes) -> None:
        """Answer ``url`` with 200 and ``body``."""
        self.pages[url] = b"HTTP/1.0 200 OK\r\nContent-Type: text/xml\r\n\r\n" + body

    def redirect(self, url: str, location: str) -> None:
        """Answer ``url`` with a redirect."""
        self.pages[url] = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode()


@asynccontextmanager
async def https_server(context: ssl.SSLContext) -> AsyncIterator[Web]:
    """Serve pages over TLS."""
    web = Web()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        host = next(line.split(": ")[1] for line in head.split("\r\n") if line.lower().startswith("host:"))
        url = host + head.split(" ")[1]
        web.asked.append(url)
        writer.write(web.pages.get(url, b"HTTP/1.0 404 Not Found\r\n\r\n"))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    web.port = server.sockets[0].getsockname()[1]
    async with server:
        yield web

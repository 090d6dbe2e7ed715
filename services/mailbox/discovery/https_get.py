"""Fetch small documents over HTTPS through the network guard, from hosts that others choose.

A general client resolves names itself, follows redirects anywhere and reads without a limit. None of that may happen here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from services.mailbox.connection import ConnectPolicy, MailServerError, host_name

MAX_BYTES = 128 * 1024
MAX_REDIRECTS = 3
_OK = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class HttpsGet:
    """Fetches documents. ``timeout`` (seconds) bounds one document with its redirects; only tests change ``port``."""

    policy: ConnectPolicy
    timeout: float = 10.0
    port: int = 443

    async def __call__(self, url: str) -> bytes | None:
        """Return the document at an ``https://`` URL, or None if it cannot be fetched for any reason."""
        try:
            async with asyncio.timeout(self.timeout):
                for _ in range(MAX_REDIRECTS + 1):
                    status, headers, body = await self._once(url)
                    if status == _OK:
                        return body
                    if status not in _REDIRECTS or "location" not in headers:
                        return None
                    url = urljoin(url, headers["location"])
        except (MailServerError, OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
            return None
        return None

    async def _once(self, url: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or parts.username or parts.port not in (None, self.port, 443):
            raise ValueError("only plain https:// URLs are fetched")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if not path.isascii() or not path.isprintable() or " " in path:
            raise ValueError("not a URL")
        name = host_name(parts.hostname)
        sock = await asyncio.to_thread(self.policy.guard.connect, name, parts.port or self.port, timeout=self.timeout)
        sock.setblocking(False)
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=self.policy.tls, server_hostname=name, limit=MAX_BYTES
        )
        try:
            # HTTP/1.0: the answer ends with the connection, and a server must not answer in chunks (RFC 9112 section 6.1).
            writer.write(
                f"GET {path} HTTP/1.0\r\nHost: {name}\r\nAccept: text/xml, application/xml\r\nConnection: close\r\n\r\n".encode()
            )
            await writer.drain()
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            body = await _read_all(reader)
        finally:
            writer.close()
        status_line, *lines = head.split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines) if name
        }
        return int(status_line.split(" ")[1]), headers, body


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while data := await reader.read(16 * 1024):
        body += data
        if len(body) > MAX_BYTES:
            raise ValueError("the document is too large")
    return bytes(body)

"""Small servers of a test's own, for answers that no real server can be made to give."""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from schemas.accounts import ServerAddress, Tls
from services.mailbox.connection.netguard import NetGuard
from services.mailbox.connection.policy import ConnectPolicy, Timeouts
from services.mailbox.connection.tls import client_context

Answer = str | Sequence[str]


class Talk:
    """One connection, by lines."""

    def __init__(self, sock: socket.socket, heard: list[str]) -> None:
        self.sock = sock
        self.heard = heard
        self._file = sock.makefile("rb")

    def say(self, text: str) -> None:
        """Send lines (CRLF is added)."""
        self.sock.sendall(text.encode() + b"\r\n")

    def hear(self) -> str:
        """Return the next line without its end; raises EOFError when the client is gone."""
        line = self._file.readline()
        if not line:
            raise EOFError
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        self.heard.append(text)
        return text

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Continue under TLS."""
        self.sock = context.wrap_socket(self.sock, server_side=True)
        self._file = self.sock.makefile("rb")


@dataclass
class Scripted:
    """A server on loopback that runs ``script`` for each connection; ``heard`` is every line it was sent."""

    script: Callable[[Talk], object]
    tls: ssl.SSLContext | None = None
    heard: list[str] = field(default_factory=list)
    port: int = 0
    connections: int = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # shutdown() wakes the accept() that close() would leave waiting.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self.sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self.sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self.sockets.append(sock)
            self.script(Talk(sock, self.heard))
        except (OSError, EOFError, ValueError):
            pass
        finally:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


def imap(
    answers: Mapping[str, Answer], *, greeting: str = "* OK ready", capability: str = "IMAP4rev1 AUTH=PLAIN"
) -> Callable[[Talk], None]:
    """Return an IMAP server's script: the longest key that the command (without its tag) begins with answers.

    ``{tag}`` is replaced by the tag. Of several answers, each but the last waits for a line from the client. Commands without an
    answer: CAPABILITY, LOGIN, AUTHENTICATE PLAIN, ID, LIST and LOGOUT succeed, and anything else is BAD.
    """
    table: dict[str, Answer] = {
        "CAPABILITY": f"* CAPABILITY {capability}\r\n{{tag}} OK done",
        "LOGIN": "{tag} OK welcome",
        "AUTHENTICATE PLAIN": ["+ ", "{tag} OK welcome"],
        "ID": "* ID NIL\r\n{tag} OK done",
        "LIST": '* LIST (\\Noselect) "/" ""\r\n{tag} OK done',
        "LOGOUT": "* BYE\r\n{tag} OK done",
        "": "{tag} BAD unknown",
        **answers,
    }

    def script(talk: Talk) -> None:
        talk.say(greeting)
        while True:
            tag, _, command = talk.hear().partition(" ")
            key = max((key for key in table if command.upper().startswith(key)), key=len)
            answer = table[key]
            parts = [answer] if isinstance(answer, str) else list(answer)
            for index, part in enumerate(parts):
                talk.say(part.replace("{tag}", tag))
                if index < len(parts) - 1:
                    talk.hear()

    return script


def smtp(
    answers: Mapping[str, Answer], *, greeting: str = "220 ready", extensions: Sequence[str] = ("AUTH PLAIN LOGIN",)
) -> Callable[[Talk], None]:
    """Return an SMTP server's script, as ``imap`` does; EHLO and QUIT succeed by themselves, the rest is 500."""
    lines = ["scripted", *extensions]
    ehlo = "\r\n".join(f"250{' ' if index == len(lines) - 1 else '-'}{line}" for index, line in enumerate(lines))
    table: dict[str, Answer] = {"EHLO": ehlo, "QUIT": "221 bye", "": "500 unknown", **answers}

    def script(talk: Talk) -> None:
        talk.say(greeting)
        while True:
            command = talk.hear()
            key = max((key for key in table if command.upper().startswith(key)), key=len)
            answer = table[key]
            parts = [answer] if isinstance(answer, str) else list(answer)
            for index, part in enumerate(parts):
                talk.say(part)
                if index < len(parts) - 1:
                    talk.hear()

    return script


def decoded(line: str) -> bytes:
    """Return what a base64 line of a SASL exchange says."""
    return base64.b64decode(line)


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own. ``ca_file`` is what clients trust."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca_file(self) -> Path:
        """PEM file of the authority."""
        return self.folder / "ca.pem"

    def server(self, *names: str) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{names[0].replace(':', '_')}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _general_name(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def make_authority(folder: Path) -> Authority:
    """Return a new authority without an Authority Key Identifier, as many private ones are."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test's authority")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(folder, key, certificate)
    authority.ca_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return authority


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """Yield a loopback port that neither accepts nor refuses a connection: its queue is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        port = listener.getsockname()[1]
        for _ in range(4):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port


LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


def make_policy(ca_file: Path | None = None, **hosts: str) -> ConnectPolicy:
    """Return a policy that allows loopback and plain text and gives up after two seconds.

    ``hosts`` are names (with ``__`` for a dot) that resolve to an address; no other name resolves.
    """
    names = {name.replace("__", "."): address for name, address in hosts.items()}

    def resolve(name: str) -> list[str]:
        if name in names:
            return [names[name]]
        if name.startswith("127."):
            return [name]
        raise OSError("no such name")

    return ConnectPolicy(
        guard=NetGuard(allow=LOOPBACK, resolve=resolve),
        tls=client_context(ca_file),
        timeouts=Timeouts(connect=2, read=2, login=2),
        allow_plaintext=True,
    )


def at(port: int, tls: Tls = "none", *, host: str = "127.0.0.1", username: str = "ann@example.test") -> ServerAddress:
    """Return the address of a scripted server."""
    return ServerAddress(host=host, port=port, tls=tls, username=username)

"""All servers of one run behind one object."""

from __future__ import annotations

import contextlib
import copy
import smtplib
import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, Self

from testbed.identity.part import IdentityServer, introspection_url
from testbed.local import choice
from testbed.local.addresses import Addresses
from testbed.processes.certificates import Certificates, make_certificates
from testbed.processes.child import Spawner
from testbed.processes.parts import MAIL_SERVERS, HostingError, Part, SmtpEndpoint
from testbed.processes.reaper import folder_reaper
from testbed.processes.users import MailUsers
from testbed.servers.dovecot import DovecotProcess
from testbed.servers.dovecot_submission import DovecotSubmission
from testbed.servers.imap import log_in
from testbed.servers.replica_set import MemberPorts, ReplicaSet, member_ports
from testbed.servers.smtp import SmtpSink

#: The names of the parts, as given to LocalServers and to its start, stop, kill and restart. "dovecot" stands for the mail server.
PARTS: Final = frozenset({"rabbitmq", "mongo", "dovecot", "smtp"})


class LocalServers(Addresses):
    """Real RabbitMQ, MongoDB, a mail server and an SMTP sink, on loopback ports, for as long as the `with` block runs.

    The servers are child processes or containers (`LEADMAIL_HOSTING`); callers see no difference. Each call is
    blocking: from a coroutine, `await asyncio.to_thread(servers.kill, "rabbitmq")`.

    Args:
        folder: where the sink, and as processes RabbitMQ and MongoDB, keep their data and logs: new or empty, and left
            there for inspection afterwards. None for a temporary folder that is deleted. Mailboxes are always temporary.
        parts: which servers to start.
        mail: which mail server is started in the place of "dovecot" and is meant by `imap`, `lmtp`, `add_user` and `deliver`:
            "dovecot", "cyrus" or "courier".
        hosting: "auto", "processes" or "containers"; None for what `LEADMAIL_HOSTING` says (auto where unset).
        mongo_members: of how many MongoDB servers the replica set is, or their ports. Of several each is a part, too:
            "mongo-1", "mongo-2" and so on.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        parts: Collection[str] = PARTS,
        mail: str = MAIL_SERVERS[0],
        hosting: str | None = None,
        mongo_members: int | Sequence[MemberPorts] = 1,
    ) -> None:
        unknown = set(parts) - PARTS
        if unknown:
            raise ValueError(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(sorted(PARTS))}")
        self._given_folder = folder
        if mail not in MAIL_SERVERS:
            raise ValueError(f"no such mail server: {mail}; there are {', '.join(MAIL_SERVERS)}")
        self._names = frozenset(mail if name == "dovecot" else name for name in parts)
        self._mail = mail
        self._wanted = hosting
        self._members = () if mongo_members == 1 else member_ports(mongo_members)
        self._parts: dict[str, Part] = {}
        self._closing = contextlib.ExitStack()
        self._users: MailUsers | None = None
        self._spawner: Spawner | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            # A short path (it holds sockets) that the mail server's user may enter.
            shared = Path(tempfile.mkdtemp(prefix="leadmail-"))
            stack.callback(folder_reaper(shared).close)
            shared.chmod(0o711)
            folder = self._data_folder(shared)
            spawner = self._spawner = Spawner()
            stack.callback(spawner.close)
            certificates = make_certificates(shared / "certificates")
            self._users = MailUsers(shared / "users")
            self._users.create()
            way = choice.choose(self._wanted, self._names)
            hosting = self._hosting = way(folder, shared, self._users, certificates, spawner, members=self._members)
            stack.callback(hosting.close)
            every: dict[str, Part] = {"rabbitmq": hosting.rabbitmq, "mongo": hosting.mongo, **hosting.mail}
            self._parts = {name: part for name, part in every.items() if name in self._names}
            if "smtp" in self._names:
                self._sink = self._make_sink(folder, certificates, spawner)
                self._parts["smtp"] = self._sink
            stack.callback(self._close_parts)
            self._start_all()
            self._closing = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _data_folder(self, shared: Path) -> Path:
        folder = self._given_folder or shared
        folder.mkdir(parents=True, exist_ok=True)
        if self._given_folder and any(folder.iterdir()):
            # The data of an earlier run has other passwords and ports.
            raise HostingError(f"{folder} is not empty: name a new folder for the servers' data")
        return folder

    def _make_sink(self, folder: Path, certificates: Certificates, spawner: Spawner) -> SmtpSink:
        lmtp = self.lmtp if self._mail in self._names else None
        dovecot = self._running.mail["dovecot"]
        asks = introspection_url(dovecot.identity_port) if isinstance(dovecot, DovecotProcess) else ""
        return SmtpSink(folder / "smtp", self._mail_users, certificates, lmtp, spawner, introspection=asks)

    def _start_all(self) -> None:
        with ThreadPoolExecutor(max_workers=len(PARTS)) as pool:
            starts = [pool.submit(part.start) for part in self._parts.values()]
        for start in starts:
            start.result()

    def _close_parts(self) -> None:
        with ThreadPoolExecutor(max_workers=len(PARTS)) as pool:
            ends = [pool.submit(part.close) for part in self._parts.values()]
        for end in ends:
            end.result()

    def with_mail(self, name: str) -> Self:
        """Return the same servers with another mail server, which is started when it is first asked for."""
        if name not in self._parts:
            self._running.prepare({name})
            part = self._running.mail[name]
            part.start()
            self._parts[name] = part
        other = copy.copy(self)
        other._mail = name  # noqa: SLF001 - of the same class
        return other

    @property
    def identity(self) -> IdentityServer:
        """The identity server whose tokens Dovecot and the SMTP sink take. It is started when it is first asked for.

        Raises:
            HostingError: the mail server is in a container, which does not reach it.
        """
        found = self._parts.get("identity")
        if found is None:
            dovecot = self._running.mail["dovecot"]
            if not isinstance(dovecot, DovecotProcess) or self._spawner is None:
                raise HostingError("tokens are taken only where Dovecot is a process: set LEADMAIL_HOSTING=processes")
            folder = dovecot.mail.parent.with_name("identity")
            found = IdentityServer(dovecot.identity_port, folder, self._mail_users, self._spawner)
            found.start()
            self._parts["identity"] = found
        assert isinstance(found, IdentityServer)
        return found

    @property
    def submission(self) -> SmtpEndpoint:
        """Dovecot's submission service, which sends by the SMTP sink. It is started when it is first asked for.

        Raises:
            HostingError: the mail server is in a container.
        """
        found = self._parts.get("submission")
        if found is None:
            dovecot = self._running.mail["dovecot"]
            if not isinstance(dovecot, DovecotProcess):
                raise HostingError("Dovecot submits mail only as a process: set LEADMAIL_HOSTING=processes")
            found = DovecotSubmission(dovecot, relay=self.smtp.port)
            found.start()
            self._parts["submission"] = found
        assert isinstance(found, DovecotSubmission)
        return found.endpoint

    # -- mail --------------------------------------------------------------------------------------------------------

    def add_user(self, address: str, password: str) -> None:
        """Give `address` a mailbox and a login for IMAP and SMTP, or change its password."""
        self._mail_users.add(address, password)
        if self._mail == "cyrus":  # makes a mailbox at the first login
            with log_in(self.imap.host, self.imap.port, address, password):
                pass

    def deliver(self, address: str, raw: bytes, *, sender: str = "") -> None:
        """Deliver a raw message into the INBOX of a user, as mail that arrives (LMTP).

        Raises:
            smtplib.SMTPException: when the mail server refuses it, for instance for an unknown user.
        """
        with smtplib.LMTP(self.lmtp.host, self.lmtp.port, timeout=30) as client:
            client.sendmail(sender, [address], raw)

    def maildir(self, address: str) -> Path:
        """Return where a user's mailbox is, to put a prepared Maildir there before the mail server first reads it.

        Raises:
            HostingError: it is in a container.
        """
        dovecot = self._running.mail[self._mail]
        if not isinstance(dovecot, DovecotProcess):
            raise HostingError(
                "a prepared mailbox can be put only where Dovecot is a process: set LEADMAIL_HOSTING=processes"
            )
        return dovecot.mail / address.lower() / "Maildir"

    # -- faults ------------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a part that was stopped or killed: same ports, same data."""
        self._part(name).start()

    def stop(self, name: str) -> None:
        """End a part in order."""
        self._part(name).stop()

    def kill(self, name: str) -> None:
        """End a part at once, as a power cut does."""
        self._part(name).kill()

    @contextlib.contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Kill a part, run the block without it, start it again."""
        self.kill(name)
        try:
            yield
        finally:
            self.start(name)

    def rabbitmqctl(self, *arguments: str) -> None:
        """Run RabbitMQ's own control program where the broker is, as its operator does."""
        self._running.rabbitmq.control(*arguments)

    @property
    def replica_set(self) -> ReplicaSet:
        """The database where it has several members: which is primary, and having it step down."""
        mongo = self._running.mongo
        if not isinstance(mongo, ReplicaSet):
            raise HostingError("the database has one member: use `LocalServers(mongo_members=3)`")
        return mongo

    def log(self, name: str) -> str:
        """Return the last lines of a part's log."""
        return self._part(name).log()

    # -- inside ------------------------------------------------------------------------------------------------------

    def _part(self, name: str) -> Part:
        whole, _, number = name.partition("-")
        if whole == "mongo" and number.isdecimal() and 0 < int(number) <= len(self._members):
            return self.replica_set.members[int(number) - 1]
        try:
            return self._parts[name]
        except KeyError:
            raise ValueError(f"{name!r} was not among the parts: {', '.join(sorted(self._names))}") from None

    @property
    def _mail_users(self) -> MailUsers:
        if self._users is None:
            raise HostingError("the servers are not started: use `with LocalServers() as servers:`")
        return self._users

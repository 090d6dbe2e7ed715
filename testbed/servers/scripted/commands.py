"""Each command's function, and those of the simple ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from testbed.servers.scripted import changing, listing, login, reading
from testbed.servers.scripted.grammar import Refused, Value, quoted, word

if TYPE_CHECKING:
    from testbed.servers.scripted.calls import Call
    from testbed.servers.scripted.connection import Connection

Handler: TypeAlias = "Callable[[Connection, Call], Awaitable[None]]"
_NEEDS = {
    "ID": "ID",
    "ENABLE": "ENABLE",
    "IDLE": "IDLE",
    "MOVE": "MOVE",
    "UID MOVE": "MOVE",
    "UID EXPUNGE": "UIDPLUS",
    "UNSELECT": "UNSELECT",
    "NOTIFY": "NOTIFY",
}
"""The extension that a command belongs to."""
_ANYTIME = {"CONNECT", "CAPABILITY", "NOOP", "LOGOUT", "ID", "STARTTLS", "LOGIN", "AUTHENTICATE"}


async def run(link: Connection, call: Call) -> None:
    """Run a command; its answer is added to the connection's lines."""
    handler = COMMANDS.get(call.name)
    needed = _NEEDS.get(call.name)
    if handler is None or (needed and not (link.dialect.has(needed) or link.dialect.rev2)):
        raise Refused("BAD unknown command")
    if link.mailbox is None and call.name not in _ANYTIME:
        raise Refused("BAD log in first")
    if link.mailbox is not None and call.name in ("LOGIN", "AUTHENTICATE", "STARTTLS"):
        raise Refused("BAD already logged in")
    await handler(link, call)


def offered(link: Connection) -> str:
    """Return the capabilities in the connection's present state."""
    if link.mailbox is not None:
        return link.dialect.capabilities
    starttls = ["STARTTLS"] if link.listener.tls is not None and not link.encrypted else []
    return " ".join([link.dialect.capabilities, link.dialect.logins, *starttls])


async def connect(link: Connection, call: Call) -> None:
    """Greet the client."""
    del call
    link.lines.append(link.dialect.greeting.encode())


async def capability(link: Connection, call: Call) -> None:
    """CAPABILITY."""
    link.lines.append(f"* CAPABILITY {offered(link)}".encode())
    link.ok(call)


async def noop(link: Connection, call: Call) -> None:
    """NOOP and CHECK."""
    link.ok(call)


async def logout(link: Connection, call: Call) -> None:
    """LOGOUT."""
    link.lines.append(b"* BYE")
    link.ok(call)
    link.ended = True


async def identify(link: Connection, call: Call) -> None:
    """ID (RFC 2971)."""
    link.identified = True
    link.lines.append(b"* ID (%s %s)" % (quoted(b"name"), quoted(link.dialect.name.encode())))
    link.ok(call)


async def enable(link: Connection, call: Call) -> None:
    """ENABLE (RFC 5161)."""
    names = [word(one).decode() for one in call.arguments]
    known = [one for one in names if link.dialect.has(one)]
    link.enabled |= set(known)
    link.lines.append(f"* ENABLED {' '.join(known)}".rstrip().encode())
    link.ok(call)


async def idle(link: Connection, call: Call) -> None:
    """IDLE (RFC 2177)."""
    before = link.updates()
    if link.dialect.exists_before_idle and link.folder is not None:
        before = [b"* %d EXISTS" % len(link.seen), *before]
    after = [] if link.dialect.exists_before_idle else before
    lines = [*(before if link.dialect.exists_before_idle else []), b"+ idling", *after]
    link.idling = True
    try:
        await link.write(b"".join(line + b"\r\n" for line in lines))
        done = await link.read_line()
    finally:
        link.idling = False
    if done.strip().upper() != b"DONE":
        raise Refused("BAD expected DONE")
    link.ok(call)


async def notify(link: Connection, call: Call) -> None:
    """NOTIFY (RFC 5465): everything or nothing."""
    link.notified_of_all = word(call.arguments[0]) == b"SET"
    link.ok(call)


def _first(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""


async def create(link: Connection, call: Call) -> None:
    """CREATE."""
    name = _first(call.arguments[0])
    if link.mailbox is None or name in link.mailbox.folders:
        raise Refused("NO [ALREADYEXISTS] it exists")
    link.mailbox.create(name)
    link.ok(call)


async def delete(link: Connection, call: Call) -> None:
    """DELETE."""
    if link.mailbox is not None:
        link.mailbox.drop(listing.find(link, call.arguments[0]).name)
    link.ok(call)


async def rename(link: Connection, call: Call) -> None:
    """RENAME."""
    if link.mailbox is not None:
        link.mailbox.rename(listing.find(link, call.arguments[0]).name, _first(call.arguments[1]))
    link.ok(call)


COMMANDS: dict[str, Handler] = {
    "CONNECT": connect,
    "CAPABILITY": capability,
    "NOOP": noop,
    "CHECK": noop,
    "SUBSCRIBE": noop,
    "UNSUBSCRIBE": noop,
    "LOGOUT": logout,
    "ID": identify,
    "ENABLE": enable,
    "IDLE": idle,
    "NOTIFY": notify,
    "STARTTLS": login.starttls,
    "LOGIN": login.login,
    "AUTHENTICATE": login.authenticate,
    "LIST": listing.listing,
    "LSUB": listing.listing,
    "STATUS": listing.status,
    "NAMESPACE": listing.namespace,
    "CREATE": create,
    "DELETE": delete,
    "RENAME": rename,
    "SELECT": reading.select,
    "EXAMINE": reading.select,
    "CLOSE": reading.close,
    "UNSELECT": reading.close,
    "FETCH": reading.fetch,
    "UID FETCH": reading.fetch,
    "SEARCH": reading.search,
    "UID SEARCH": reading.search,
    "APPEND": changing.append,
    "STORE": changing.store,
    "UID STORE": changing.store,
    "COPY": changing.copy,
    "UID COPY": changing.copy,
    "MOVE": changing.copy,
    "UID MOVE": changing.copy,
    "EXPUNGE": changing.expunge,
    "UID EXPUNGE": changing.expunge,
}

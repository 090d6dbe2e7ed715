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


async def run(client: Connection, call: Call) -> None:
    """Run a command; its answer is added to the connection's lines."""
    handler = COMMANDS.get(call.name)
    needed = _NEEDS.get(call.name)
    if handler is None or (needed and not (client.dialect.has(needed) or client.dialect.rev2)):
        raise Refused("BAD unknown command")
    if client.mailbox is None and call.name not in _ANYTIME:
        raise Refused("BAD log in first")
    if client.mailbox is not None and call.name in ("LOGIN", "AUTHENTICATE", "STARTTLS"):
        raise Refused("BAD already logged in")
    await handler(client, call)


def offered(client: Connection) -> str:
    """Return the capabilities in the connection's present state."""
    if client.mailbox is not None:
        return client.dialect.capabilities
    starttls = ["STARTTLS"] if client.listener.tls is not None and not client.encrypted else []
    return " ".join([client.dialect.capabilities, client.dialect.logins, *starttls])


async def connect(client: Connection, call: Call) -> None:
    """Greet the client."""
    del call
    client.lines.append(client.dialect.greeting.encode())


async def capability(client: Connection, call: Call) -> None:
    """CAPABILITY."""
    client.lines.append(f"* CAPABILITY {offered(client)}".encode())
    client.ok(call)


async def noop(client: Connection, call: Call) -> None:
    """NOOP and CHECK."""
    client.ok(call)


async def logout(client: Connection, call: Call) -> None:
    """LOGOUT."""
    client.lines.append(b"* BYE")
    client.ok(call)
    client.ended = True


async def identify(client: Connection, call: Call) -> None:
    """ID (RFC 2971)."""
    client.identified = True
    client.lines.append(b"* ID (%s %s)" % (quoted(b"name"), quoted(client.dialect.name.encode())))
    client.ok(call)


async def enable(client: Connection, call: Call) -> None:
    """ENABLE (RFC 5161)."""
    names = [word(one).decode() for one in call.arguments]
    known = [one for one in names if client.dialect.has(one)]
    client.enabled |= set(known)
    client.lines.append(f"* ENABLED {' '.join(known)}".rstrip().encode())
    client.ok(call)


async def idle(client: Connection, call: Call) -> None:
    """IDLE (RFC 2177)."""
    before = client.updates()
    if client.dialect.exists_before_idle and client.folder is not None:
        before = [b"* %d EXISTS" % len(client.seen), *before]
    after = [] if client.dialect.exists_before_idle else before
    lines = [*(before if client.dialect.exists_before_idle else []), b"+ idling", *after]
    client.idling = True
    try:
        await client.write(b"".join(line + b"\r\n" for line in lines))
        done = await client.read_line()
    finally:
        client.idling = False
    if done.strip().upper() != b"DONE":
        raise Refused("BAD expected DONE")
    client.ok(call)


async def notify(client: Connection, call: Call) -> None:
    """NOTIFY (RFC 5465): everything or nothing."""
    client.notified_of_all = word(call.arguments[0]) == b"SET"
    client.ok(call)


def _first(value: Value) -> bytes:
    return value if isinstance(value, bytes) else b""


async def create(client: Connection, call: Call) -> None:
    """CREATE."""
    name = _first(call.arguments[0])
    if client.mailbox is None or name in client.mailbox.folders:
        raise Refused("NO [ALREADYEXISTS] it exists")
    client.mailbox.create(name)
    client.ok(call)


async def delete(client: Connection, call: Call) -> None:
    """DELETE."""
    if client.mailbox is not None:
        client.mailbox.drop(listing.find(client, call.arguments[0]).name)
    client.ok(call)


async def rename(client: Connection, call: Call) -> None:
    """RENAME."""
    if client.mailbox is not None:
        client.mailbox.rename(listing.find(client, call.arguments[0]).name, _first(call.arguments[1]))
    client.ok(call)


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

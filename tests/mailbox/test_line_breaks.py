"""Line breaks in arguments never become commands. The tests cover whole interfaces, new commands included."""

from __future__ import annotations

import contextlib
import imaplib
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from schemas.ledger import Folder
from services.mailbox.connection import ConnectPolicy, password
from services.mailbox.imap import ConnectionLostError, ImapSession, MailClient, connect_imap
from tests.mailbox.scripted_server import Scripted, at, imap

CAPABILITY = (
    "IMAP4rev1 AUTH=PLAIN ACL ENABLE ID IDLE LIST-EXTENDED LIST-STATUS LITERAL+ MOVE NAMESPACE NOTIFY QRESYNC QUOTA SORT "
    "SPECIAL-USE STARTTLS THREAD=REFERENCES UNSELECT X-GM-EXT-1"
)
BREAKS = ["\r\n", "\r", "\n", "\0"]


def commands_with_arguments(owner: type) -> list[str]:
    """Return the public methods of a class that take arguments."""
    return [
        name
        for name, method in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_") and len(inspect.signature(method).parameters) > 1
    ]


SESSION_COMMANDS = [name for name in commands_with_arguments(ImapSession) if name != "run"]
"""``run`` takes one of our own functions, not an argument of a command."""


def hostile_arguments(method: Callable[..., Any], attack: str) -> list[Any]:
    """Return the attack for each parameter of a bound method, whatever its type promises."""
    arguments: list[Any] = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_KEYWORD):
            continue
        kind = str(parameter.annotation)
        if kind == "Folder":
            arguments.append(
                Folder(account="0" * 24, id="0" * 12, raw_name=attack.encode(), name="x", role="user", selected=True)
            )
        elif kind == "bytes":
            arguments.append(attack.encode())
        elif kind == "Sequence[tuple[str, int]]":
            arguments.append([(attack, 1)])
        elif kind.startswith("Sequence"):
            arguments.append([attack])
        else:
            arguments.append(attack)
    return arguments


async def run_to_its_end(result: Any) -> None:
    """Await a coroutine, iterate over a generator, or enter a context."""
    if inspect.isawaitable(result):
        await result
    elif hasattr(result, "__aiter__"):
        async for _ in result:
            pass
    else:
        async with result:
            pass


def injected(heard: list[str]) -> list[str]:
    """Return the lines that start a command of the attack's, or hold a control character before one."""
    return [line for line in heard if re.search(r"(^|[\r\n\0])A1 DELETE", line)]


@contextlib.contextmanager
def client_of_an_agreeable_server(policy: ConnectPolicy) -> Iterator[tuple[MailClient, list[str]]]:
    """Yield a logged-in client of a server that says OK to everything, and the lines that the server hears."""
    with Scripted(imap({"": "{tag} OK done"}, capability=CAPABILITY)) as server:
        client = connect_imap(at(server.port), password("secret"), policy=policy)
        yield client, server.heard
        client.shutdown()


def test_the_interface_has_commands() -> None:
    """The list that the tests below go over is not empty by mistake."""
    assert {"examine", "status", "headers", "bodies", "parts", "flags", "existing"} <= set(SESSION_COMMANDS)


def test_the_server_would_hear_an_attack(policy: ConnectPolicy) -> None:
    """Bytes that bypass the check arrive as a separate command: the tests below look in the right place."""
    with client_of_an_agreeable_server(policy) as (client, heard):
        client.protocol.send(b"A0 STATUS x\r\nA1 DELETE INBOX\r\n")
        with contextlib.suppress(imaplib.IMAP4.error):
            client.noop()
        assert injected(heard)


@pytest.mark.parametrize("line_break", BREAKS, ids=repr)
@pytest.mark.parametrize("name", SESSION_COMMANDS)
async def test_no_command_of_a_session_carries_a_line_break(policy: ConnectPolicy, name: str, line_break: str) -> None:
    """Each command refuses the argument, sends nothing of it, and drops the connection."""
    with client_of_an_agreeable_server(policy) as (client, heard):
        session = ImapSession(client)
        await session.examine(b"INBOX")
        method = getattr(session, name)
        with pytest.raises(ConnectionLostError, match="InjectionError"):
            await run_to_its_end(method(*hostile_arguments(method, f'1"{line_break}A1 DELETE INBOX')))
        assert session.closed
    assert not injected(heard)


@pytest.mark.parametrize("name", commands_with_arguments(MailClient))
def test_no_command_of_the_client_carries_a_line_break(policy: ConnectPolicy, name: str) -> None:
    """What imapclient offers beside our own commands sends nothing of such an argument either, whatever it raises."""
    with client_of_an_agreeable_server(policy) as (client, heard):
        client.select_folder("INBOX")
        method = getattr(client, name)
        with contextlib.suppress(Exception):
            method(*hostile_arguments(method, '1"\r\nA1 DELETE INBOX'))
    assert not injected(heard)

"""The scripted server as a child process with many mailboxes: for benchmarks and chaos.

It takes one JSON object per line on its standard input, and answers each with one on its output.
"""

from __future__ import annotations

import asyncio
import gc
import json
import ssl
import subprocess
import sys
from pathlib import Path
from time import time
from typing import Any, Self

from testbed.processes.certificates import Certificates
from testbed.servers.scripted import dialects, faults
from testbed.servers.scripted.server import ScriptedServer

PASSWORD = "scripted"  # noqa: S105 - of mailboxes in memory
LARGEST_LINE = 64 * 1024 * 1024
"""Bytes of an order."""


def user(number: int) -> str:
    """Return the name of a mailbox."""
    return f"user{number}@scripted.test"


class ScriptedProcess:
    """The server as a process; use it as a context manager. Every method is blocking."""

    def __init__(
        self, accounts: int, *, dialect: str = "FULL", certificates: Certificates | None = None, mails: int = 0
    ) -> None:
        """Prepare `accounts` mailboxes of `mails` mails each; with certificates it speaks TLS from the first byte.

        `dialect` is the name of one in `dialects`; `FULL+NOTIFY` adds a capability.
        """
        pair = [str(certificates.certificate), str(certificates.key)] if certificates else []
        arguments = [str(accounts), str(mails), dialect, *pair]
        self._command = [sys.executable, "-m", "testbed.servers.scripted.process", *arguments]
        self.port = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3], text=True
        )
        self.port = self._answer()["port"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def deliver(self, number: int, raw: bytes, folder: str = "INBOX") -> int:
        """Deliver a mail to a mailbox; returns its uid."""
        return int(self._order(do="deliver", user=user(number), raw=raw.decode("latin-1"), folder=folder)["uid"])

    def notice(self, number: int, raw: bytes) -> float:
        """Deliver a mail to a mailbox; returns when the server said so to idling clients, by the system's clock."""
        return float(self._order(do="deliver", user=user(number), raw=raw.decode("latin-1"), folder="INBOX")["at"])

    def counts(self) -> dict[str, int]:
        """Return commands, bytes sent, open connections and those that idle, of all mailboxes together."""
        return self._order(do="counts")

    def uids(self, number: int, folder: str = "INBOX") -> list[int]:
        """Return the uids that a folder of a mailbox has."""
        return list(self._order(do="uids", user=user(number), folder=folder)["uids"])

    def fault(self, numbers: list[int], kind: str, **fields: Any) -> None:
        """Give mailboxes a fault: the name of a class in `faults` and its fields (text as str)."""
        self._order(do="fault", users=[user(number) for number in numbers], kind=kind, fields=fields)

    def heal(self) -> None:
        """End every fault."""
        self._order(do="heal")

    def cut(self) -> None:
        """Cut every connection."""
        self._order(do="cut")

    def _order(self, **order: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the scripted server ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer


def _bytes(value: Any) -> Any:
    return value.encode("latin-1") if isinstance(value, str) else value


def _obey(server: ScriptedServer, order: dict[str, Any]) -> dict[str, Any]:
    boxes = server.mailboxes
    match order["do"]:
        case "deliver":
            moment = time()
            return {"uid": boxes[order["user"]].add(order["raw"].encode("latin-1"), order["folder"]).uid, "at": moment}
        case "counts":
            return {
                "commands": sum(box.calls.total() for box in boxes.values()),
                "bytes": sum(box.sent for box in boxes.values()),
                "connections": sum(len(box.watchers) for box in boxes.values()),
                "idling": sum(watcher.idling for box in boxes.values() for watcher in box.watchers),
            }
        case "uids":
            return {"uids": boxes[order["user"]].folder(order["folder"]).uids}
        case "fault":
            kind = getattr(faults, order["kind"])
            fields = {
                name: value
                if name in ("command", "what") or (name, order["kind"]) == ("text", "Refuse")
                else _bytes(value)
                for name, value in order["fields"].items()
            }
            for name in order["users"]:
                boxes[name].faults.append(kind(**fields))
        case "heal":
            for box in boxes.values():
                box.faults.clear()
        case "cut":
            for box in boxes.values():
                box.cut()
    return {}


async def _main(accounts: int, mails: int, dialect: str, pair: list[str]) -> None:
    context = None
    if pair:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*pair)
    name, *more = dialect.split("+")
    known = getattr(dialects, name).including(*more) if more else getattr(dialects, name)
    async with ScriptedServer() as server:
        for number in range(accounts):
            mailbox = server.add(user(number), PASSWORD, known)
            for place in range(mails):
                text = (
                    f"From: sender{place}@scripted.test\r\nMessage-ID: <{number}.{place}@scripted.test>\r\n\r\ntext\r\n"
                )
                mailbox.add(text.encode())
        gc.freeze()
        listener = await server.listen(known, tls=context, encrypted=context is not None)
        orders = asyncio.StreamReader(limit=LARGEST_LINE)
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        _say({"port": listener.port})
        while line := await orders.readline():
            try:
                _say(_obey(server, json.loads(line)))
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                _say({"error": f"{type(error).__name__}: {error}"})


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))

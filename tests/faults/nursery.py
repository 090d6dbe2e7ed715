"""Run stages with failpoints and restart each that was killed: `python -m tests.faults.nursery`.

Everything is imported once; a stage is a fork of this process, which takes milliseconds where a new interpreter takes a second.
Commands come as lines of JSON on the standard input, answers go to the standard output:

    {"do": "start", "stage": "poller", "environment": {...}, "log": "/path"}     answered by {"started": "poller"}
    {"do": "look"}                                                              answered by {"deaths": {...}, "codes": {...}}
    {"do": "stop"}                                                              answered by {"deaths": {...}, "codes": {...}}
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
import json
import os
import pkgutil
import select
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple, Self

import services.store
from schemas.errors import PermanentError
from services.amqp import run_stage
from services.parser.content.parse import ParsedMail, parse_mail
from services.parser.worker_protocol import Request, WorkerBugError
from services.settings import STAGES
from tests.faults import failpoints
from tests.faults.scenario import FAILS_ONCE, POISON

MAINS = {
    name: importlib.import_module(f"services.{name}.__main__") for name in ("poller", "parser", "matcher", "notifier")
}
# The parts of the store are imported when they are used: here before that, once for all stages.
for part in pkgutil.walk_packages(services.store.__path__, "services.store."):
    importlib.import_module(part.name)
HASTE: dict[str, dict[str, Any]] = {
    "services.matcher.watcher": {"SPAN": timedelta(seconds=2)},
    "services.matcher.mailbox_changed": {"GRACE": timedelta(seconds=2)},
    "services.store.mail.blob_sweep": {"GRACE": timedelta(seconds=4)},
    "services.mailbox.oauth.token_refresh": {"CLAIM": timedelta(seconds=2)},
    "services.notifier.__main__": {"SWEEP_SECONDS": 1.0},
    "services.notifier.notification": {"STALE": timedelta(seconds=3)},
    "services.poller.copies.body_fetcher": {"STREAMED": 512 * 1024},
}
"""Shorter times: how long a process is presumed alive, how often sweepers run."""
_GRACE = 20.0
_PR_SET_PDEATHSIG = 1


def hasten() -> None:
    """Put shorter times in the place of constants, wherever they were imported or are a default.

    Raises:
        AttributeError: there is no such constant any more.
    """
    modules = [module for name, module in sys.modules.items() if name.startswith("services.")]
    for name, constants in HASTE.items():
        for constant, value in constants.items():
            before = getattr(sys.modules[name], constant)
            for module in modules:
                if vars(module).get(constant) is before:
                    setattr(module, constant, value)
                for function in _functions(module):
                    defaults = function.__kwdefaults__ or {}
                    for key, default in defaults.items():
                        if default is before:
                            defaults[key] = value


def _functions(module: Any) -> list[FunctionType]:
    own = [each for each in vars(module).values() if isinstance(each, type | FunctionType)]
    inner = [method for each in own if isinstance(each, type) for method in vars(each).values()]
    return [each for each in (*own, *inner) if isinstance(each, FunctionType)]


def _first_time(raw: bytes) -> bool:
    failed = Path(raw[len(FAILS_ONCE) :].partition(b"\r\n")[0].decode())
    if failed.exists():
        return False
    failed.touch()
    return True


class SameProcess:
    """In the place of the parser's pool: a worker stores nothing, and costs seconds to start. Some mails are what kills or fails it."""

    def __init__(self, **settings: Any) -> None:
        pass

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def failed(self) -> None:
        """Never."""

    async def parse(self, raw: bytes, *, account: str, internal_date: datetime, urgent: bool) -> ParsedMail:
        """Do what the mail says, or else parse it."""
        if POISON in raw:
            raise PermanentError("parser-died", "tried 3 times")
        if raw.startswith(FAILS_ONCE) and _first_time(raw):
            raise WorkerBugError("the first time")
        return parse_mail(raw, account=account, internal_date=internal_date)

    async def parse_many(self, requests: Sequence[Request], *, urgent: bool) -> list[ParsedMail | BaseException]:
        """Parse several."""
        return await asyncio.gather(
            *(
                self.parse(request.raw, account=request.account, internal_date=request.internal_date, urgent=urgent)
                for request in requests
            ),
            return_exceptions=True,
        )


class Child(NamedTuple):
    """A running stage."""

    stage: str
    environment: dict[str, str]
    log: str


def run(child: Child) -> None:
    """Be a stage; does not return."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    null = os.open(os.devnull, os.O_RDONLY)
    log = os.open(child.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(child.environment)
    code = 1
    try:
        hasten()
        failpoints.install(child.stage)
        main = MAINS[child.stage]
        if child.stage == "parser":
            main.WorkerPool = SameProcess  # type: ignore[attr-defined]
        run_stage(STAGES[child.stage], main.main)
        code = 0
    except SystemExit as error:
        sys.stderr.write(f"{error}\n")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


class Nursery:
    """The stages that run, and how often each was killed."""

    def __init__(self) -> None:
        self._running: dict[int, Child] = {}
        self._deaths: dict[str, int] = {}

    def start(self, child: Child) -> None:
        """Fork a stage."""
        if (pid := os.fork()) == 0:
            run(child)
        self._running[pid] = child

    def reap(self) -> dict[str, int]:
        """Restart what was killed. Return the exit codes of what exited by itself."""
        codes: dict[str, int] = {}
        for pid in list(self._running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                child = self._running.pop(pid)
                if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                    self._deaths[child.stage] = self._deaths.get(child.stage, 0) + 1
                    self.start(child)
                else:
                    codes[child.stage] = os.waitstatus_to_exitcode(status)
        return codes

    def stop(self) -> dict[str, Any]:
        """Stop everything with SIGTERM. Returns exit codes."""
        codes: dict[str, int] = self.reap()
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + _GRACE
        while self._running and time.monotonic() < end:
            for pid in list(self._running):
                done, status = os.waitpid(pid, os.WNOHANG)
                if done:
                    codes[self._running.pop(pid).stage] = os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        for pid, child in self._running.items():
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            codes[child.stage] = -signal.SIGKILL
        self._running.clear()
        deaths, self._deaths = self._deaths, {}
        return {"deaths": deaths, "codes": codes}

    def serve(self) -> None:
        """Execute commands until the standard input is closed."""
        ended: dict[str, int] = {}
        buffer = b""
        while True:
            ready, _, _ = select.select([0], [], [], 0.02)
            ended |= self.reap()
            if not ready:
                continue
            some = os.read(0, 65536)
            if not some:
                self.stop()
                return
            buffer += some
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                order = json.loads(line)
                if order["do"] == "start":
                    self.start(Child(order["stage"], order["environment"], order["log"]))
                    answer: dict[str, Any] = {"started": order["stage"]}
                elif order["do"] == "look":
                    answer = {"deaths": self._deaths, "codes": ended}
                else:
                    answer = self.stop()
                    answer["codes"] = {**ended, **answer["codes"]}
                    ended = {}
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()


if __name__ == "__main__":
    Nursery().serve()

"""Runs one worker process: starts it, sends it requests, and kills it when it is late."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

from schemas.errors import LeadmailError
from services.parser.content.parse import ParsedMail
from services.parser.worker_protocol import READY, Request, WorkerBugError, read_answer, request_chunks
from services.runtime.tasks import cancel_once

_ROOT = Path(__file__).resolve().parents[2]
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
"""Environment variables that a worker gets. It has no secrets, in case a mail takes it over."""
_START_SECONDS = 60.0
_CPU_GRACE = 5.0
_STREAM_LIMIT = 1024 * 1024


class WorkerStartError(LeadmailError):
    """A worker does not start: not a mail's fault. The worker's own line on standard error says more."""


class WorkerGoneError(LeadmailError):
    """The worker died before it answered."""


class WorkerLateError(LeadmailError):
    """The worker did not answer in time and was killed."""


class WorkerProcess:
    """A running worker."""

    def __init__(self, process: Process, seconds: float) -> None:
        """Use ``WorkerProcess.start``."""
        self._process = process
        self._seconds = seconds

    @classmethod
    async def start(cls, *, memory_mb: int, seconds: float, module: str = "services.parser.worker") -> WorkerProcess:
        """Start a worker and wait until it is ready.

        Args:
            memory_mb: MiB of address space.
            seconds: wall-clock limit per mail. The kernel enforces a slightly larger CPU limit, in case the parser itself is
                gone.
            module: what to run; tests have one that can be made to fail.

        Raises:
            WorkerStartError: it did not say that it is ready.
        """
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
        environment["PYTHONPATH"] = os.pathsep.join((str(_ROOT), os.environ.get("PYTHONPATH", "")))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, "--memory-mb", str(memory_mb), "--seconds", str(seconds + _CPU_GRACE)),
            stdin=PIPE,
            stdout=PIPE,
            env=environment,
            limit=_STREAM_LIMIT,
            start_new_session=True,  # Ctrl-C is for the parser, which finishes its current work
        )
        worker = cls(process, seconds)
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                if await process.stdout.read(len(READY)) == READY:
                    return worker
        except TimeoutError:
            pass
        except BaseException:
            await worker.kill()
            raise
        await worker.kill()
        raise WorkerStartError(f"a parsing process did not start (exit code {process.returncode})")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def parse(self, requests: Sequence[Request]) -> AsyncIterator[ParsedMail | WorkerBugError]:
        """Have mails parsed; yield the answer to each, in order, as it comes.

        Raises:
            WorkerGoneError: it died; the first mail without an answer is the one it worked on.
            WorkerLateError: it took too long over that mail, and was killed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        writing = asyncio.create_task(self._write(requests))
        try:
            for _ in requests:
                async with asyncio.timeout(self._seconds):
                    answer = await read_answer(self._process.stdout)
                yield answer
        except asyncio.IncompleteReadError:
            raise WorkerGoneError from None
        except TimeoutError:
            raise WorkerLateError from None
        finally:
            await cancel_once(writing)

    async def _write(self, requests: Sequence[Request]) -> None:
        stream = self._process.stdin
        assert stream is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it died: reading its answer says so
            for request in requests:
                stream.writelines(request_chunks(request))
                await stream.drain()

    async def kill(self) -> None:
        """Kill the process and wait until it has ended."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
        await self._process.wait()

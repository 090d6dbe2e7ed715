"""Worker processes for parsing: live mail first, batches for a backlog, and mail that kills a worker is isolated."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

import structlog

from schemas.errors import PermanentError
from services.parser.content.parse import ParsedMail
from services.parser.worker_process import WorkerGoneError, WorkerLateError, WorkerProcess
from services.parser.worker_protocol import Request, WorkerBugError
from services.runtime.tasks import cancel_once

BATCH = 16
"""Mails per batch. More gains little and makes live mail wait longer."""
BATCH_BYTES = 512 * 1024
TRIES = {"parser-died": 3, "parser-timeout": 2}
"""How often such a mail is tried. Once proves nothing: something else may have killed the worker."""


@dataclass(slots=True, eq=False)
class _Job:
    request: Request
    urgent: bool
    answer: asyncio.Future[ParsedMail]
    failures: int = 0


@dataclass(slots=True)
class _Queue:
    """Waiting jobs. Urgent ones come first. A job that failed before is handed out alone."""

    urgent: deque[_Job] = field(default_factory=deque)
    patient: deque[_Job] = field(default_factory=deque)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def put(self, *jobs: _Job, first: bool = False) -> None:
        async with self.changed:
            for job in reversed(jobs) if first else jobs:
                waiting = self.urgent if job.urgent else self.patient
                (waiting.appendleft if first else waiting.append)(job)
            self.changed.notify_all()

    async def take(self, *, urgent_only: bool, share: int) -> list[_Job]:
        """Return the next jobs, at least one: no more than a fair part, so that idle workers get some too."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.urgent or (self.patient and not urgent_only))
            waiting = self.urgent or self.patient
            wanted = min(BATCH, -(-len(waiting) // share))
            jobs = [waiting.popleft()]
            size = len(jobs[0].request.raw)
            while waiting and len(jobs) < wanted and not jobs[0].failures and not waiting[0].failures:
                size += len(waiting[0].request.raw)
                if size > BATCH_BYTES:
                    break
                jobs.append(waiting.popleft())
            return jobs


class WorkerPool:
    """Parses mails in ``workers`` processes, and in one more that is for urgent mail alone.

    Use it as ``async with WorkerPool(...) as pool``; the processes run inside the block. ``failed()`` is a task for the stage: it
    raises when the pool cannot go on.

    Args:
        workers: processes for all mail.
        seconds: that one mail may take.
        memory_mb: MiB of address space of one process.
        log: where lost workers are logged.
        module: the worker's program; tests have one that can be made to fail.
    """

    def __init__(
        self,
        *,
        workers: int,
        seconds: float,
        memory_mb: int,
        log: structlog.typing.FilteringBoundLogger,
        module: str = "services.parser.worker",
    ) -> None:
        self._workers = workers
        self._seconds = seconds
        self._memory_mb = memory_mb
        self._log = log
        self._module = module
        self._queue = _Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def parse(self, raw: bytes, *, account: str, internal_date: datetime, urgent: bool) -> ParsedMail:
        """Return what a mail says.

        Raises:
            PermanentError: it kills its worker (``parser-died``) or takes too long (``parser-timeout``), each time.
            WorkerBugError: the parser raised.
        """
        (answer,) = await self.parse_many([Request(raw, account, internal_date)], urgent=urgent)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def parse_many(self, requests: Sequence[Request], *, urgent: bool) -> list[ParsedMail | BaseException]:
        """Return, in order, what mails say, or the error that ``parse`` would have raised. Cheaper than one by one."""
        loop = asyncio.get_running_loop()
        jobs = [_Job(request, urgent, loop.create_future()) for request in requests]
        await self._queue.put(*jobs)
        return await asyncio.gather(*(job.answer for job in jobs), return_exceptions=True)

    async def failed(self) -> None:
        """Wait; raise what ended a worker's task: a worker does not start."""
        # Not ``gather``: the stage cancels this at shutdown, when mail is still being parsed.
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def __aenter__(self) -> Self:
        """Start the workers; raises ``WorkerStartError`` when they do not."""
        async with AsyncExitStack() as stack:
            started = []
            for _ in range(self._workers + 1):
                started.append(worker := await self._start())
                stack.push_async_callback(worker.kill)
            for number, worker in enumerate(started):
                task = asyncio.create_task(self._serve(worker, urgent_only=number == self._workers))
                self._tasks.append(task)
            stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the workers."""
        await cancel_once(*self._tasks)

    async def _start(self) -> WorkerProcess:
        return await WorkerProcess.start(memory_mb=self._memory_mb, seconds=self._seconds, module=self._module)

    async def _serve(self, worker: WorkerProcess, *, urgent_only: bool) -> None:
        try:
            while True:
                jobs = await self._queue.take(urgent_only=urgent_only, share=self._workers)
                jobs = [job for job in jobs if not job.answer.done()]  # no caller waits for it any more
                if jobs and not await self._run(worker, jobs):
                    await worker.kill()
                    worker = await self._start()
        finally:
            await worker.kill()

    async def _run(self, worker: WorkerProcess, jobs: list[_Job]) -> bool:
        """Run jobs. Return whether the worker is alive; jobs that it did not finish are queued again."""
        waiting = deque(jobs)
        try:
            async for answer in worker.parse([job.request for job in jobs]):
                job = waiting.popleft()
                if job.answer.done():
                    continue
                if isinstance(answer, WorkerBugError):
                    job.answer.set_exception(answer)
                else:
                    job.answer.set_result(answer)
        except (WorkerGoneError, WorkerLateError) as error:
            culprit = waiting.popleft()
            await self._queue.put(*waiting, first=True)
            await self._blame(culprit, "parser-timeout" if isinstance(error, WorkerLateError) else "parser-died")
            return False
        return True

    async def _blame(self, job: _Job, reason: str) -> None:
        """Retry a mail, alone and in careful mode, or give it up."""
        job.failures += 1
        job.request = job.request._replace(careful=True)
        self._log.warning("a parsing process was lost", reason=reason, tries=job.failures, size=len(job.request.raw))
        if job.failures < TRIES[reason]:
            await self._queue.put(job, first=True)
        elif not job.answer.done():
            job.answer.set_exception(PermanentError(reason, f"tried {job.failures} times"))

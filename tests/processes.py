"""Start the processes of Leadmail in tests, and end them."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

ROOT = Path(__file__).parents[1]
DEADLINE = 60.0
"""Seconds that a process may take to start, to say something or to exit."""


class Spawn(Protocol):
    """Start ``python -m module arguments``."""

    async def __call__(self, module: str, *arguments: str, **changes: str) -> Process:
        """Return the started process; ``changes`` are environment variables, an empty one is unset."""


@asynccontextmanager
async def spawning(environment: Mapping[str, str], *, stdout: int = PIPE, stderr: int = PIPE) -> AsyncIterator[Spawn]:
    """Yield a function that starts modules with these settings; processes that still run at the end are killed."""
    running: list[Process] = []

    async def spawn(module: str, *arguments: str, **changes: str) -> Process:
        variables = {"PATH": os.environ["PATH"], **environment, **changes}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=ROOT,
            env={name: value for name, value in variables.items() if value},
            stdin=DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
        running.append(process)
        return process

    try:
        yield spawn
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
        for process in running:
            await process.communicate()


async def stdout_line(process: Process) -> str:
    """Return the next line of a process's output."""
    return await _line(process.stdout)


async def stderr_line(process: Process) -> str:
    """Return the next line of a process's log."""
    return await _line(process.stderr)


async def exit_code(process: Process) -> int:
    """Wait until a process exits, and return its code."""
    return await asyncio.wait_for(process.wait(), DEADLINE)


async def _line(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    line = await asyncio.wait_for(stream.readline(), DEADLINE)
    assert line, "the process ended"
    return line.decode()

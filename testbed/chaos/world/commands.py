"""Runs ``leadmail`` as a person would, while servers fail."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

_PROJECT = Path(__file__).parents[3]
_COMMAND_S = 180


async def run_command(environment: Mapping[str, str], *arguments: str, line: str = "") -> int:
    """Run a command, several times if a server does not answer. Returns how often.

    One that takes too long is killed; it may have done its work.

    Raises:
        RuntimeError: it still failed.
    """
    for tries, pause in enumerate((1, 3, 9, 15, 15, None), 1):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.cli", *arguments), cwd=_PROJECT, env=environment,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = await asyncio.wait_for(process.communicate(line.encode()), _COMMAND_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            said = f"it did not end within {_COMMAND_S} s".encode()
        if process.returncode == 0:
            return tries
        if pause is not None:
            await asyncio.sleep(pause)
    raise RuntimeError(f"`leadmail {' '.join(arguments)}` failed: {said.decode(errors='replace').strip()[-800:]}")

"""A process that parses mail and may crash on it: ``python -m services.parser.worker --memory-mb 1024 --seconds 30``.

Reads requests from its standard input and answers each in turn on its standard output, until the input ends. Its memory and
the CPU time of one mail are limited by the kernel, so that a hostile mail harms nothing else.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import signal
import sys
import traceback
from types import TracebackType
from typing import BinaryIO

from services.parser.content.parse import parse_mail
from services.parser.worker_protocol import READY, Request, answer_chunks, failure_chunks, read_request

OUT_OF_MEMORY = 70
"""Exit code."""
_MIB = 1024 * 1024


def where(error: BaseException) -> str:
    """Return an exception's type and place; its text may quote the mail."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""  # noqa: PTH119 - text
    return type(error).__name__ + place


def _say_where(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    sys.stderr.write(f"leadmail parser worker: {where(error)}\n")


def limit_self(memory_mb: int) -> None:
    """Limit this process: bounded memory, no files, no core dump."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * _MIB, memory_mb * _MIB))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(request: Request, output: BinaryIO) -> None:
    """Parse one mail and write what came of it."""
    try:
        mail = parse_mail(
            request.raw, account=request.account, internal_date=request.internal_date, careful=request.careful
        )
        chunks = answer_chunks(mail)
    except MemoryError:
        # The heap cannot be trusted any more. The parser retries in a new process.
        os._exit(OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - reported to the parser, which retries and logs it
        chunks = failure_chunks(where(error))
    output.writelines(chunks)
    output.flush()


def serve(source: BinaryIO, output: BinaryIO, *, seconds: float) -> None:
    """Answer requests until the input ends; a mail that uses ``seconds`` of CPU time ends the process (SIGPROF)."""
    output.write(READY)
    output.flush()
    while True:
        signal.setitimer(signal.ITIMER_PROF, 0)
        request = read_request(source)
        if request is None:
            return
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer(request, output)


def main() -> None:
    """Run the worker."""
    arguments = argparse.ArgumentParser(description="Parses mails for the parser stage.")
    arguments.add_argument("--memory-mb", type=int, required=True, help="MiB of address space")
    arguments.add_argument("--seconds", type=float, required=True, help="CPU time that one mail may take")
    options = arguments.parse_args()
    sys.excepthook = _say_where
    logging.disable()  # libraries quote the mail in their logs
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    limit_self(options.memory_mb)
    gc.freeze()  # imported modules stay: exclude them from garbage collection
    serve(sys.stdin.buffer, sys.stdout.buffer, seconds=options.seconds)


if __name__ == "__main__":
    main()

"""A worker like the real one, in which some mails do what a hostile mail might."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from typing import Any

from services.parser import worker
from services.parser.content.parse import ParsedMail, parse_mail


def hostile(raw: bytes, *, careful: bool = False, **rest: Any) -> ParsedMail:
    """Do what the mail's body says, else parse it."""
    body = raw.rpartition(b"\r\n\r\n")[2].strip()
    if body == b"CRASH":
        ctypes.string_at(0)
    if body == b"MEMORY":
        bytearray(1 << 34)
    if body == b"KILL":
        os.kill(os.getpid(), signal.SIGKILL)
    if body == b"SLEEP" or (body == b"SLOW UNLESS CAREFUL" and not careful):
        time.sleep(60)
    if body.startswith(b"PAUSE "):
        time.sleep(float(body[6:]))
    if body == b"RAISE":
        raise ValueError("a secret of the mail")
    return parse_mail(raw, careful=careful, **rest)


if __name__ == "__main__":
    vars(worker)["parse_mail"] = hostile
    worker.main()

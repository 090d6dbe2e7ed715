"""The parser, except that one mail kills its process, as the kernel does when memory runs out."""

from __future__ import annotations

import os
import signal
from typing import Any

from services.amqp import run_stage
from services.parser import __main__ as parser
from services.parser.handler import handle
from services.settings import ParserSettings


async def mortal(deliveries: Any, **collaborators: Any) -> Any:
    """Die on the killer mail; handle any other."""
    if any(b"KILL THE STAGE" in delivery.body for delivery in deliveries):
        os.kill(os.getpid(), signal.SIGKILL)
    return await handle(deliveries, **collaborators)


if __name__ == "__main__":
    vars(parser)["handle"] = mortal
    run_stage(ParserSettings, parser.main)

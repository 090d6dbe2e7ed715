"""The real poller process with shorter pauses: ``python -m tests.lying.harness.poller``. Nothing else about it is changed."""

from __future__ import annotations

import os
import sys

from services.amqp import run_stage
from services.mailbox.connection.policy import Timeouts
from services.mailbox.imap import ImapSession
from services.poller.__main__ import main
from services.settings import PollerSettings

SHORTER = {
    "FIRST_PAUSE": 0.2,
    "LONGEST_PAUSE": 2.0,
    "LINGER_SECONDS": 2.0,
    "REPLAN_SECONDS": 2.0,
}
"""Constants of the poller, in whatever modules use them."""


def shorten() -> None:
    """Make pauses and time-outs short enough for a test that waits for what follows them."""
    poller = [module for name, module in sys.modules.items() if name.startswith("services.poller")]
    for name, value in SHORTER.items():
        users = [module for module in poller if hasattr(module, name)]
        assert users, name
        for module in users:
            setattr(module, name, value)
    Timeouts.__init__.__defaults__ = (2.0, 3.0, 4.0)
    (ImapSession.__init__.__kwdefaults__ or {})["deadline"] = 6.0


if __name__ == "__main__":
    shorten()
    run_stage(PollerSettings, main)
    sys.stdout.flush()
    os._exit(0)

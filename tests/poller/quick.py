"""The real poller process with shorter pauses: ``python -m tests.poller.quick``. Nothing else about it is changed."""

from __future__ import annotations

import os
import sys

from services.amqp import run_stage
from services.poller.__main__ import main
from services.settings import PollerSettings

SHORTER = {
    "FIRST_PAUSE": 0.2,
    "LONGEST_PAUSE": 2.0,
    "LINGER_SECONDS": 2.0,
    "REPLAN_SECONDS": 2.0,
    "SETTLE_SECONDS": 1.0,
}
"""Constants of the poller, in whatever modules use them."""


def run() -> None:
    """Run the poller with pauses that are short enough for a test that waits for what follows them."""
    poller = [module for name, module in sys.modules.items() if name.startswith("services.poller")]
    for name, value in SHORTER.items():
        users = [module for module in poller if hasattr(module, name)]
        assert users, name
        for module in users:
            setattr(module, name, value)
    run_stage(PollerSettings, main)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    run()

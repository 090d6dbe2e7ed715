"""The poller process with shorter pauses and time-outs: ``python -m tests.lying.harness.poller``."""

from __future__ import annotations

from services.mailbox.connection.policy import Timeouts
from services.mailbox.imap import ImapSession
from tests.poller.quick import run

if __name__ == "__main__":
    Timeouts.__init__.__defaults__ = (2.0, 3.0, 4.0)
    (ImapSession.__init__.__kwdefaults__ or {})["deadline"] = 6.0
    run()

"""What every reader of mail asks."""

from __future__ import annotations

from typing import NamedTuple

from services.store.access.guard import Guard
from services.store.readers.candidates import Candidates
from services.store.readers.threads import Threads
from services.store.readers.visible_lines import VisibleLines


class VisibleMail(NamedTuple):
    """Mail as a viewer sees it: who views, what they may possibly see, what they do see, and how it belongs together."""

    guard: Guard
    candidates: Candidates
    lines: VisibleLines
    threads: Threads

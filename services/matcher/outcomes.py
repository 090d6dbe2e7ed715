"""What became of the copies: as a metric, and a line each in the log, which leads from the mailbox's uid to the email."""

from __future__ import annotations

import logging
from collections import Counter as Tally
from collections.abc import Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter

from services.store import Final


class Outcomes:
    """One a process."""

    def __init__(self, registry: CollectorRegistry, log: structlog.typing.FilteringBoundLogger) -> None:
        self._copies = Counter(
            "leadmail_matcher_copies",
            "Copies by the final state that the matcher gave them, and why; one that is delivered twice counts twice",
            ["state", "reason"],
            registry=registry,
        )
        self._log = log

    def note(self, rows: Sequence[Final]) -> None:
        """Count a batch that is stored, and log it at level debug."""
        for (state, reason), number in Tally((row.state.value, row.reason or "") for row in rows).items():
            self._copies.labels(state, reason).inc(number)
        if self._log.is_enabled_for(logging.DEBUG):
            for row in rows:
                self._log.debug("copy done", copy=row.id, state=row.state.value, reason=row.reason, email=row.email)

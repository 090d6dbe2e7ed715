"""What a run measures, and its figures for people."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class IdlePlan:
    """What is measured."""

    accounts: int
    pollers: int
    mails: int
    """New mails, one by one, in accounts at random."""
    seconds: float
    """At rest."""
    dialect: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the pollers, in the place of their defaults."""
    seed: int = 1


class Rest(NamedTuple):
    """What some pollers use at rest."""

    memory_mb: float
    cores: float
    mongod_cores: float
    commands: float
    """IMAP commands a second."""
    operations: float
    """Of MongoDB a second."""
    connections: int


class IdleFigures(NamedTuple):
    """The figures of a run."""

    plan: IdlePlan
    base: Rest
    """Of the same pollers without accounts."""
    start_s: float
    start_cpu_s: float
    rest: Rest
    published_s: list[float]
    """From the server's notice until the message is in the parser's queue."""
    takeover_s: tuple[float, float] | None
    """From the death of one of several pollers until others have leased its accounts, and until every account idles again."""
    load: str
    """The system's load averages at the end: of other work, too."""

    def lines(self) -> list[tuple[str, str]]:
        """Return the figures for people."""
        count, base, rest = self.plan.accounts, self.base, self.rest
        took = sorted(self.published_s)
        lines = [
            (
                "accounts; pollers; connections per account",
                f"{count:,}; {self.plan.pollers}; {rest.connections / count:.2f}",
            ),
            ("start until every account idles", f"{self.start_s:.1f} s ({self.start_cpu_s:.1f} CPU seconds)"),
            ("memory at rest; without accounts", f"{rest.memory_mb:.0f} MB; {base.memory_mb:.0f} MB"),
            ("memory per account", f"{(rest.memory_mb - base.memory_mb) * 1024 / count:.1f} KB"),
            ("CPU at rest; without accounts", f"{100 * rest.cores:.2f}%; {100 * base.cores:.2f}% of a core"),
            ("CPU per account", f"{100 * (rest.cores - base.cores) / count:.5f}% of a core"),
            (
                "CPU of MongoDB at rest; without accounts",
                f"{100 * rest.mongod_cores:.2f}%; {100 * base.mongod_cores:.2f}%",
            ),
            ("operations of MongoDB a second; without accounts", f"{rest.operations:.1f}; {base.operations:.1f}"),
            ("IMAP commands a minute and account", f"{60 * rest.commands / count:.2f}"),
        ]
        if took:
            p99 = took[min(len(took) - 1, int(len(took) * 0.99))]
            lines.append(
                (
                    "notice until published: median; 99th percentile",
                    f"{1000 * statistics.median(took):.0f} ms; {1000 * p99:.0f} ms",
                )
            )
        if self.takeover_s is not None:
            leased, idling = self.takeover_s
            lines.append(("a poller dies: accounts leased by others; idling again", f"{leased:.1f} s; {idling:.1f} s"))
        return [*lines, ("load of the machine (1, 5, 15 minutes)", self.load)]

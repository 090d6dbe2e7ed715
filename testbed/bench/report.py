"""Figures as JSON, as a table for the terminal, and as the block of ``docs/performance.md``."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from testbed.bench.backfill import Backfill
from testbed.bench.deployment import STAGES
from testbed.bench.live import MailTimes
from testbed.samples.bench.mailbox import BenchMailbox

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
TARGETS: Final[Mapping[str, float]] = {"10": 1.0, "100": 3.0}
"""Highest ratio to mbsync, by percentage of relevant mail."""
TARGET_VISIBLE_MS: Final = 100.0
Results = dict[str, Any]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that is not below ``share`` (0 to 1) of all (nearest rank).

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there are no values")
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def backfill_results(backfills: Mapping[str, tuple[BenchMailbox, Backfill]]) -> Results:
    """Return the part of the results that says how long backfills took and what they used, by percentage of relevant mail."""
    results: Results = {"backfill": {}, "cpu_per_1000": {}, "server_cpu_per_1000": {}, "peak_mb": {}}
    for percent, (content, measured) in backfills.items():
        yardstick = statistics.mean(measured.mbsync_seconds)
        results["backfill"][percent] = {
            "messages": content.messages,
            "relevant": content.relevant,
            "megabytes": round(content.sizes.total / 1e6),
            "seconds": round(measured.seconds, 2),
            "mbsync_seconds": round(yardstick, 2),
            "mbsync_runs": [round(seconds, 2) for seconds in measured.mbsync_seconds],
            "ratio": round(measured.seconds / yardstick, 2),
        }
        for name, seconds in measured.cpu_seconds.items():
            group = results["cpu_per_1000" if name in STAGES else "server_cpu_per_1000"]
            group.setdefault(name, {})[percent] = round(seconds * 1000 / content.messages, 3)
        for name in STAGES:
            results["peak_mb"][name] = max(results["peak_mb"].get(name, 0), round(measured.peak_mb[name]))
    return results


def visible_results(seen: Mapping[str, Sequence[MailTimes]]) -> Results:
    """Return the part of the results about live mail, by ``idle`` and ``busy``, in milliseconds."""
    results: Results = {"visible_ms": {}, "from_delivery_ms": {}}
    for when, mails in seen.items():
        if mails:
            results["visible_ms"][when] = _spread([(mail.visible - mail.noticed) * 1000 for mail in mails])
            results["from_delivery_ms"][when] = _spread([(mail.visible - mail.delivered) * 1000 for mail in mails])
    return results


def _spread(milliseconds: list[float]) -> Results:
    return {
        "p50": round(percentile(milliseconds, 0.5), 1),
        "p99": round(percentile(milliseconds, 0.99), 1),
        "mails": len(milliseconds),
    }


def missed(results: Results) -> list[str]:
    """Return a sentence for each target that was missed."""
    sentences = [
        f"{percent}% relevant: {figures['ratio']} times mbsync, the target is {TARGETS[percent]}"
        for percent, figures in results.get("backfill", {}).items()
        if percent in TARGETS and figures["ratio"] > TARGETS[percent]
    ]
    idle = results.get("visible_ms", {}).get("idle")
    if idle and idle["p50"] > TARGET_VISIBLE_MS:
        sentences.append(f"visible after {idle['p50']} ms (median, idle), the target is {TARGET_VISIBLE_MS:.0f} ms")
    return sentences


def table(results: Results) -> str:
    """Return everything as Markdown tables, which read well on a terminal, too."""
    parts = []
    if backfills := results.get("backfill"):
        head = ["backfill", *(f"{percent}% relevant" for percent in backfills)]
        rows = [
            ["messages (MB)", *(f"{one['messages']:,} ({one['megabytes']})" for one in backfills.values())],
            ["until the confirmation", *(f"{one['seconds']:.1f} s" for one in backfills.values())],
            ["mbsync, mean of two", *(f"{one['mbsync_seconds']:.1f} s" for one in backfills.values())],
            ["**ratio**", *(f"**{one['ratio']:.2f}**" for one in backfills.values())],
            ["messages a second", *(f"{one['messages'] / one['seconds']:,.0f}" for one in backfills.values())],
        ]
        parts.append(_markdown(head, rows))
        head = ["CPU seconds per 1,000 messages", *(f"{percent}% relevant" for percent in backfills), "peak memory"]
        groups = {**results["cpu_per_1000"], **results["server_cpu_per_1000"]}
        rows = [
            [name, *(f"{figures[percent]:.2f}" for percent in backfills), _peak(results["peak_mb"].get(name))]
            for name, figures in groups.items()
        ]
        parts.append(_markdown(head, rows))
    if results.get("visible_ms"):
        head = ["new mail on the record", "median", "99th percentile", "mails"]
        rows = [
            [f"{when}, from {since}", f"{figures['p50']:.0f} ms", f"{figures['p99']:.0f} ms", str(figures["mails"])]
            for key, since in (("visible_ms", "the server's notice"), ("from_delivery_ms", "delivery"))
            for when, figures in results[key].items()
        ]
        parts.append(_markdown(head, rows))
    return "\n\n".join(parts)


def _peak(size: float | None) -> str:
    return "" if size is None else f"{size:.0f} MB"


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]

    def line(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def facts_line(facts: Mapping[str, str | int]) -> str:
    """Return the machine and the versions as one paragraph."""
    return (
        f"Measured {facts['date']} at commit {facts['commit']}: {facts['processor']}, {facts['processors']} processors, "
        f"{facts['memory_mb']:,} MB, {facts['file_system']}, Linux {facts['kernel']}; everything on this one machine, servers as "
        f"{facts['hosting']}: Dovecot {facts['dovecot']}, RabbitMQ {facts['rabbitmq']}, MongoDB {facts['mongodb']}; "
        f"Python {facts['python']}, mbsync {facts['mbsync']}."
    )


def write_results(path: Path, results: Results) -> None:
    """Write the JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=2) + "\n")

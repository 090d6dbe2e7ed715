"""The report of a run: one line per scenario, what was found, the last line, and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.chaos.proof.findings import KINDS, count
from testbed.chaos.scenario import Result

_SHOWN = 40


def table(results: Sequence[Result]) -> str:
    """Return a table in Markdown."""
    head = ("scenario", "accounts", "messages", "meanwhile", "faults", "seconds", "to rest", *KINDS)
    rows = [head, tuple("---" for _ in head)]
    for result in results:
        found = count(result.findings)
        rows.append(
            (
                f"{result.number} {result.emphasis}",
                f"{result.accounts}",
                f"{result.messages:,}",
                words(result.activity),
                f"{result.faults.total()}: {words(result.faults)}",
                f"{result.seconds:.0f}",
                f"{result.rest:.0f}",
                *(str(found[kind]) for kind in KINDS),
            )
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def words(counts: Counter[str]) -> str:
    """Return counts in words."""
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items()) if number)


def details(results: Sequence[Result]) -> list[str]:
    """Return what was found, one line each, the first ones of each scenario."""
    lines = []
    for result in results:
        lines += [f"scenario {result.number}: {each.kind}: {each.what}" for each in result.findings[:_SHOWN]]
        if (more := len(result.findings) - _SHOWN) > 0:
            lines.append(f"scenario {result.number}: and {more} more")
    return lines


def last_line(results: Sequence[Result]) -> str:
    """Return the summary line."""
    found = Counter[str]()
    for result in results:
        found.update(count(result.findings))
    faults, messages = sum(each.faults.total() for each in results), sum(each.messages for each in results)
    kinds = ", ".join(f"{kind} {found[kind]}" for kind in KINDS)
    return f"chaos: {len(results)} scenarios, {faults} faults, {messages} messages: {kinds}"


def as_json(results: Sequence[Result], **facts: Any) -> dict[str, Any]:
    """Return the whole of it for programs."""
    return {
        **facts,
        "scenarios": [
            {
                "number": result.number,
                "emphasis": result.emphasis,
                "seed": result.seed,
                "accounts": result.accounts,
                "messages": result.messages,
                "faults": dict(result.faults),
                "activity": dict(result.activity),
                "restarts": result.restarts,
                "seconds": round(result.seconds, 1),
                "rest_seconds": round(result.rest, 1),
                **count(result.findings),
                "findings": [each._asdict() for each in result.findings],
            }
            for result in results
        ],
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write the JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")

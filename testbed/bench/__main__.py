"""``python -m testbed.bench``: runs everything, prints the tables, writes ``bench/results.json``."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.bench import mbsync, report, session
from testbed.bench.mailboxes import BenchError
from testbed.local import HostingError, LocalServers
from tools import derive

_PROJECT = Path(__file__).parents[2]
DOCUMENT = _PROJECT / "docs" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed.bench", description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="in each mailbox (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is made up (default: %(default)s)")
    parser.add_argument("--shares", default="10,100", help="percentages of relevant mail (default: %(default)s)")
    parser.add_argument(
        "--idle", type=int, default=100, metavar="MAILS", help="live mails when idle (default: %(default)s)"
    )
    parser.add_argument("--busy", type=int, default=200, metavar="MAILS",
                        help="most live mails during a backfill; 0 leaves that out (default: %(default)s)")  # fmt: skip
    parser.add_argument("--results", type=Path, default=_PROJECT / "bench" / "results.json")
    parser.add_argument("--logs", type=Path, help="a new folder for the stages' logs, to be kept")
    parser.add_argument("--write-docs", action="store_true", help="refresh the tables in docs/performance.md")
    options = parser.parse_args(arguments)
    plan = session.Plan(
        messages=options.messages,
        seed=options.seed,
        percents=tuple(int(percent) for percent in options.shares.split(",") if percent),
        idle=options.idle,
        busy=options.busy,
    )
    try:
        mbsync.prepare()
        # As processes: CPU time and memory of the servers are read from the system, and mailboxes are written to their folders.
        with (
            LocalServers(hosting="processes") as servers,
            tempfile.TemporaryDirectory(prefix="leadmail-bench-") as name,
        ):
            results = asyncio.run(
                session.run(servers, plan, Path(name), logs=options.logs or Path(name) / "logs", say=_say)
            )
    except (BenchError, HostingError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    except KeyboardInterrupt:
        return 130
    report.write_results(options.results, results)
    tables = f"{report.table(results)}\n\n{report.facts_line(results['machine'])}"
    print(f"\n{tables}\n")  # noqa: T201 - a command's output
    for sentence in report.missed(results) or ["every target that was measured is met"]:
        print(sentence)  # noqa: T201 - a command's output
    if options.write_docs:
        DOCUMENT.write_text(derive.between_marks(DOCUMENT.read_text(), report.BEGIN, report.END, tables))
    return 0


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - progress for the person who waits


if __name__ == "__main__":
    sys.exit(main())

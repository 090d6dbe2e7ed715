"""Report how far our parser agrees with other parsers on the corpus of real mail: ``make parse-report``."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from testbed.parsing.comparison import FIELDS, read
from testbed.parsing.corpus import CORPUS, Expected, bounces, imap_tools, mails, sisimai, stalwart, zbateson

SETS: dict[str, Callable[[], Iterable[Expected]]] = {
    "stalwart": stalwart,
    "imap_tools": imap_tools,
    "zbateson": zbateson,
}
_SLOWEST = 5


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> int:
    """Print the report; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed.parsing", description=__doc__)
    parser.add_argument("--differences", metavar="SET.FIELD", help="list the mails in which a field differs instead")
    options = parser.parse_args()
    if not mails():
        sys.stderr.write(f"there is no corpus at {CORPUS}; LEADMAIL_SHARED says where its folder is" + "\n")
        return 1
    if options.differences:
        _print_differences(*options.differences.split("."))
    else:
        _print_agreement()
        _print_bounces()
        _print_robustness()
    return 0


def _compared(expected: Expected, field: str) -> tuple[str, object]:
    """Return ``agree``, ``differ``, ``fail`` or ``none``, and both values."""
    try:
        pair = FIELDS[field](expected, read(expected.path))
    except Exception as error:  # noqa: BLE001 - that it raises is what is reported
        return "fail", error
    if pair is None:
        return "none", None
    return ("agree" if pair[0] == pair[1] else "differ"), pair


def _print_agreement() -> None:
    _say(f"{'set':12}{'field':14}{'agree':>8}{'differ':>8}{'fail':>6}")
    for name, source in SETS.items():
        expectations = list(source())
        for field in FIELDS:
            counts = Counter(_compared(expected, field)[0] for expected in expectations)
            total = counts["agree"] + counts["differ"] + counts["fail"]
            if total:
                share = counts["agree"] / total
                _say(f"{name:12}{field:14}{share:>8.1%}{counts['differ']:>8}{counts['fail']:>6}")


def _print_differences(name: str, field: str) -> None:
    for expected in SETS[name]():
        result, values = _compared(expected, field)
        if result in ("differ", "fail"):
            _say(f"{expected.path}\n    {values!r:.2000}")


def _print_bounces() -> None:
    named = [(set(addresses), set(read(path).marks.bounced)) for path, addresses in bounces()]
    _say(f"flufl.bounce: the same addresses in {_share(theirs == ours for theirs, ours in named)}")
    _say(f"sisimai: recognised {_share(read(path).marks.bounce for path in sisimai())}")


def _share(results: Iterable[bool]) -> str:
    found = list(results)
    return f"{sum(found)} of {len(found)} ({sum(found) / max(1, len(found)):.1%})"


def _print_robustness() -> None:
    times: dict[Path, float] = {}
    failed: dict[Path, str] = {}
    for path in mails():
        started = time.process_time()
        try:
            read(path)
        except Exception as error:  # noqa: BLE001 - counted
            failed[path] = repr(error)
        times[path] = time.process_time() - started
    total = sum(times.values())
    _say(
        f"{len(times)} mails in {total:.1f} s of CPU time, {len(times) / total:,.0f} a second; {len(failed)} raise; the slowest:"
    )
    for path in sorted(times, key=times.__getitem__, reverse=True)[:_SLOWEST]:
        _say(f"    {times[path] * 1000:7.0f} ms {path.stat().st_size:>10,} bytes  {path.relative_to(CORPUS)}")
    for path, raised in failed.items():
        _say(f"    raises {raised}: {path.relative_to(CORPUS)}")


if __name__ == "__main__":
    sys.exit(main())

"""Report how far our parser agrees with other parsers on the corpus of real mail: ``make parse-report``."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from testbed.parsing import agreement, bounces, replies
from testbed.parsing.comparison import compared, read
from testbed.parsing.corpus import CORPUS, Expected, mails
from testbed.parsing.oracles import oracles
from testbed.parsing.verdicts import SETS, table

_SLOWEST = 5


def main() -> int:
    """Print the report; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed.parsing", description=__doc__)
    parser.add_argument(
        "--differences",
        metavar="SET.FIELD",
        help="list the mails in which a field differs instead; bounces.kind, bounces.addresses",
    )
    options = parser.parse_args()
    if not mails():
        sys.stderr.write(f"there is no corpus at {CORPUS}; LEADMAIL_SHARED says where its folder is" + "\n")
        return 1
    logging.disable()
    warnings.simplefilter("ignore")
    if options.differences:
        _print(_differences(*options.differences.split(".")))
        return 0
    _print(agreement.recorded())
    _print(table())
    _print(agreement.judged())
    _print(agreement.run())
    _print(bounces.report())
    _print(replies.report())
    _print(_robustness())
    return 0


def _print(lines: Iterable[str]) -> None:
    """Print lines as they come, whatever the parsers print to the error output."""
    with contextlib.redirect_stderr(io.StringIO()):
        for line in lines:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
    sys.stdout.write("\n")


def _differences(name: str, field: str) -> Iterator[str]:
    if name == "bounces":
        yield from bounces.differences(field)
        return
    said: Iterable[Expected | Exception] = SETS[name]() if name in SETS else oracles()[0][name](mails())
    for expected in said:
        if isinstance(expected, Expected):
            result, values = compared(expected, field)
            if result in ("differ", "fail"):
                yield f"{expected.path}\n    {values!r:.2000}"


def _robustness() -> Iterator[str]:
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
    yield f"{len(times)} mails in {total:.1f} s of CPU time, {len(times) / total:,.0f} a second; {len(failed)} raise; the slowest:"
    slowest = sorted(times, key=times.__getitem__, reverse=True)[:_SLOWEST]
    yield from (_measured(path, times[path]) for path in slowest)
    yield "the largest:"
    largest = sorted(times, key=lambda path: path.stat().st_size, reverse=True)[:_SLOWEST]
    yield from (_measured(path, times[path]) for path in largest)
    yield from (f"    raises {raised}: {path.relative_to(CORPUS)}" for path, raised in failed.items())


def _measured(path: Path, seconds: float) -> str:
    return f"    {seconds * 1000:7.0f} ms {path.stat().st_size:>10,} bytes  {path.relative_to(CORPUS)}"


if __name__ == "__main__":
    sys.exit(main())

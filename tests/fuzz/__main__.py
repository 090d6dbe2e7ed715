"""Fuzzes every target in turn, keeps the smallest input of each finding, and exits 1 if there is one.

Inputs that reach new code are kept in ``.cache/fuzz``, so that the next run goes on from there.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.budget import within_budget
from tests.fuzz.findings import failure, smallest
from tests.fuzz.targets import TARGETS

CORPUS = Path(".cache/fuzz")
_COVERED = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+).*?exec/s: (\d+)", re.MULTILINE)
_ALREADY_SMALL = 20
_PROCESSES, _SHORTEST = 5, 5.0
"""Processes of one target at most, and seconds that must be left for another one."""
_NO_FINDINGS = (".log", ".dict", ".slowest")
_PAGE = Path("docs/parsing.md")
_TABLE = re.compile(r"^\| [^|\n]* \| inputs \|[^\n]*\n(?:\|[^\n]*\n)+", re.MULTILINE)
_NAMES = {
    "mail": "whole mails",
    "header": "header blocks",
    "imap": "IMAP answers",
    "charset": "charsets",
    "reply": "reply texts",
    "html": "HTML",
}


class _Run(NamedTuple):
    """What came of a target."""

    target: str
    executions: int
    edges: int
    cpu_minutes: float
    slowest: str
    """CPU time and size of the input that took longest."""
    findings: list[Path]
    ended: str
    """How the fuzzer ended if not by a finding or by the time; empty if all is well."""


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(target: str, *, seconds: float, seed: int, runs: int, corpus: Path, findings: Path) -> _Run:
    """Run a target for some time. A finding ends the fuzzer's process: it goes on in another one, a few times."""
    corpus = corpus / target
    corpus.mkdir(parents=True, exist_ok=True)
    before, known = _cpu_seconds(), set(findings.iterdir())
    log, slowest = findings / f"{target}.log", findings / f"{target}.slowest"
    slowest.unlink(missing_ok=True)
    ends, executions, edges, ended = time.monotonic() + seconds, 0, 0, ""
    for attempt in range(_PROCESSES):
        left = ends - time.monotonic()
        if attempt and left < _SHORTEST:
            break
        command = [sys.executable, "-m", "tests.fuzz.one_target", target]
        command += [str(max(1, round(left))), str(seed), str(runs), str(corpus), str(findings)]
        with log.open("ab" if attempt else "wb") as output:
            start = output.tell()
            code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        said = log.read_bytes()[start:].decode("utf-8", "replace")
        if covered := _COVERED.findall(said):
            executions, edges = executions + int(covered[-1][0]), max(edges, int(covered[-1][1]))
        if not code:
            break
        ended = f"exit {code}: {said.strip().rpartition(chr(10))[2][:200]}"
    found = [path for path in findings.iterdir() if path not in known and path.suffix not in _NO_FINDINGS]
    return _Run(
        target,
        executions,
        edges,
        (_cpu_seconds() - before) / 60,
        slowest.read_text() if slowest.exists() else "",
        found,
        "" if found else ended,
    )


def _minimise(target: str, path: Path) -> str:
    """Write the smallest input that fails as this one beside it, and return how it fails."""

    def check(data: bytes) -> None:
        within_budget(TARGETS[target], data)

    data = path.read_bytes()
    if path.name.startswith((f"{target}-timeout", f"{target}-oom")):
        return "takes too long, or too much memory"  # to try is to wait again
    how = failure(check, data)
    if how and len(data) > _ALREADY_SMALL:
        path.with_name(f"{path.name}.smallest").write_bytes(smallest(check, data))
    return how or "not repeated outside of the fuzzer"


def table(runs: Iterable[_Run], day: str) -> str:
    """Return what came of the targets as a table of Markdown."""
    lines = [
        f"| {day} | inputs | edges reached | CPU minutes | slowest input | findings |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {_NAMES.get(run.target, run.target)} | {run.executions:,} | {run.edges:,} | {run.cpu_minutes:.1f} | {run.slowest} "
        f"| {len(run.findings)} |"
        for run in runs
    ]
    return "".join(f"{line}\n" for line in lines)


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=7, help="of all targets together (default: 7)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--runs", type=int, default=-1, help="end a target after so many inputs")
    parser.add_argument("--seed", type=int, default=0, help="repeat a run; 0 for another each time")
    parser.add_argument(
        "--corpus", type=Path, default=CORPUS, help=f"folder of inputs that reach new code (default: {CORPUS})"
    )
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder of what fails")
    parser.add_argument("--write", action="store_true", help=f"replace the table in {_PAGE}")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("atheris is missing: it exists for Linux on x86-64 with Python 3.11 to 3.13 only\n")
        return 2
    options.findings.mkdir(parents=True, exist_ok=True)
    targets = options.target or list(TARGETS)
    runs: list[_Run] = []
    sys.stdout.write(f"{'target':10}{'inputs':>10}{'edges':>8}{'CPU min':>9}{'slowest':>22}  findings\n")
    for target in targets:
        run = _run(
            target,
            seconds=options.minutes * 60 / len(targets),
            seed=options.seed,
            runs=options.runs,
            corpus=options.corpus,
            findings=options.findings,
        )
        runs.append(run)
        sys.stdout.write(
            f"{target:10}{run.executions:>10}{run.edges:>8}{run.cpu_minutes:>9.1f}{run.slowest:>22}  {len(run.findings)}\n"
        )
        for path in run.findings:
            sys.stdout.write(f"    {path}: {_minimise(target, path)}\n")
        if run.ended:
            sys.stdout.write(f"    {run.ended}\n")
        sys.stdout.flush()
    if options.write:
        today = f"{datetime.now(UTC):%-d %B %Y}"
        _PAGE.write_text(_TABLE.sub(lambda _: table(runs, today), _PAGE.read_text("utf-8"), count=1), "utf-8")
    return int(any(run.findings or run.ended for run in runs))


if __name__ == "__main__":
    sys.exit(main())

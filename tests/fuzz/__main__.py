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
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.budget import within_budget
from tests.fuzz.findings import failure, smallest
from tests.fuzz.targets import TARGETS

CORPUS = Path(".cache/fuzz")
_COVERED = re.compile(r"^#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+).*?exec/s: (\d+)", re.MULTILINE)
_ALREADY_SMALL = 20


class _Run(NamedTuple):
    """What came of a target."""

    target: str
    executions: int
    edges: int
    cpu_minutes: float
    findings: list[Path]


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(target: str, *, seconds: float, seed: int, runs: int, findings: Path) -> _Run:
    corpus = CORPUS / target
    corpus.mkdir(parents=True, exist_ok=True)
    before, known = _cpu_seconds(), set(findings.iterdir())
    command = [sys.executable, "-m", "tests.fuzz.one_target", target]
    command += [str(max(1, round(seconds))), str(seed), str(runs), str(corpus), str(findings)]
    log = findings / f"{target}.log"
    with log.open("wb") as output:
        code = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    said = log.read_text("utf-8", "replace")
    covered = _COVERED.findall(said)
    found = [path for path in findings.iterdir() if path not in known and path.suffix not in (".log", ".dict")]
    if code and not found:
        sys.stderr.write(said[-3_000:])
        raise SystemExit(f"{target}: exit {code} without a finding")
    return _Run(
        target,
        int(covered[-1][0]) if covered else 0,
        int(covered[-1][1]) if covered else 0,
        (_cpu_seconds() - before) / 60,
        found,
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


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=7, help="of all targets together (default: 7)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--runs", type=int, default=-1, help="end a target after so many inputs")
    parser.add_argument("--seed", type=int, default=0, help="repeat a run; 0 for another each time")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"), help="folder of what fails")
    options = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write("atheris is missing: it exists for Linux on x86-64 with Python 3.11 to 3.13 only\n")
        return 2
    options.findings.mkdir(parents=True, exist_ok=True)
    targets = options.target or list(TARGETS)
    failed = False
    sys.stdout.write(f"{'target':10}{'inputs':>10}{'edges':>8}{'CPU min':>9}  findings\n")
    for target in targets:
        run = _run(
            target,
            seconds=options.minutes * 60 / len(targets),
            seed=options.seed,
            runs=options.runs,
            findings=options.findings,
        )
        sys.stdout.write(f"{target:10}{run.executions:>10}{run.edges:>8}{run.cpu_minutes:>9.1f}  {len(run.findings)}\n")
        sys.stdout.flush()
        for path in run.findings:
            sys.stdout.write(f"    {path}: {_minimise(target, path)}\n")
        failed = failed or bool(run.findings)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

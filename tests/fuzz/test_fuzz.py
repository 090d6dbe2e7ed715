"""The fuzz targets hold for their own seeds and some thousand changed ones; ``make fuzz`` looks further."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import _PAGE, _TABLE, _Run, table
from tests.fuzz.budget import FIXED, PER_BYTE, TooSlowError, within_budget
from tests.fuzz.findings import failure, smallest
from tests.fuzz.seeds import seeds, words
from tests.fuzz.targets import TARGETS

_CHANGED = 300
"""Inputs of each target."""


def changed(chance: random.Random, data: bytes, pieces: list[bytes]) -> bytes:
    """Return an input with a few pieces put in, taken out or repeated."""
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(data))
        end = start + chance.randint(0, 20)
        new = chance.choice([b"", data[start:end] * 3, chance.choice(pieces), chance.randbytes(3)])
        data = data[:start] + new + data[end:]
    return data


@pytest.mark.parametrize("target", TARGETS)
def test_target_holds(target: str) -> None:
    """Nothing that a target says of an input fails for its seeds, as they are and changed."""
    chance, inputs, pieces = random.Random(target), [one for one in seeds(target) if len(one) < 3_000], words(target)
    for data in inputs[:100]:
        TARGETS[target](data)
    for _ in range(_CHANGED):
        TARGETS[target](changed(chance, chance.choice(inputs), pieces))


def test_an_input_that_is_too_slow_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """More CPU time than its size allows is an error, unless it was a pause; what keeps within it is none."""
    times = iter(range(100))
    monkeypatch.setattr("time.process_time", lambda: next(times) * (FIXED + PER_BYTE) * 2)
    with pytest.raises(TooSlowError):
        within_budget(lambda _: None, b"x")
    once = iter((0.0, 9.0, 9.0, 9.1))
    monkeypatch.setattr("time.process_time", lambda: next(once))
    assert within_budget(lambda _: None, b"x") == pytest.approx(0.1)


def test_finding_is_made_as_small_as_it_fails() -> None:
    """What does not matter for a failure is taken off, and another failure is not taken for it."""

    def check(data: bytes) -> None:
        if b"?" in data:
            raise KeyError
        assert not (b"a" in data and b"b" in data)

    data = b"x" * 500 + b"a" + b"y" * 500 + b"b" + b"z" * 500
    assert smallest(check, data) == b"ab"
    assert failure(check, b"ab") != failure(check, b"?")
    assert failure(check, b"a") is None
    assert smallest(check, b"fine") == b"fine"


def test_fuzzer_runs(tmp_path: Path) -> None:
    """The fuzzer runs a target, finds code to cover, and exits 0."""
    pytest.importorskip("atheris")
    command = [sys.executable, "-m", "tests.fuzz", "--target", "charset", "--runs", "50", "--seed", "1"]
    found = subprocess.run(
        [*command, "--findings", str(tmp_path / "findings"), "--corpus", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert found.returncode == 0, found.stdout + found.stderr
    target, inputs, edges, *_, size, unit, findings = found.stdout.splitlines()[-1].split()
    assert (target, int(inputs) >= 50, int(edges) > 20) == ("charset", True, True)
    assert (int(size.replace(",", "")) > 0, unit, findings) == (True, "bytes", "0")


def test_table_of_a_run_replaces_the_one_in_the_document() -> None:
    """The pattern finds the table that is there, and the one that a run writes."""
    runs = [_Run(target, 1_234, 56, 7.8, "0.12 s, 345 bytes", [], "") for target in TARGETS]
    for text in (_PAGE.read_text("utf-8"), f"text\n\n{table(runs, '1 January 2027')}\ntext\n"):
        ((found),) = _TABLE.findall(text)
        assert found.count("\n") == len(TARGETS) + 2
        assert {line.count("|") for line in found.splitlines()} == {7}

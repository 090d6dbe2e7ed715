"""The account of CPU time and memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from testbed.bench.accounting import children_of_this, cpu_seconds, peak_mb, trees, watching_memory

_SPIN = "import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


@contextmanager
def _python(code: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child that runs ``code``, writes a line, and lives until its input is closed."""
    code = f"{code}\nimport sys; print('done', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"done\n"
        yield child


def test_the_time_of_descendants_counts_whether_they_live_or_ended() -> None:
    """A tree's CPU time holds that of a living process and of a grandchild that has gone."""
    inner = _SPIN.format(seconds=0.3)
    outer = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {inner!r}])\n{_SPIN.format(seconds=0.2)}"
    with _python(outer) as child:
        used = cpu_seconds({"it": [child.pid], "none": []})
    assert 0.45 <= used["it"] < 5
    assert used["none"] == 0


def test_the_peak_of_memory_outlasts_its_release_and_workers_count() -> None:
    """Memory that was used and given back is in the peak; so is a child's."""
    grandchild = "import sys; x = b'x' * 60_000_000; print('up', flush=True); sys.stdin.read()"
    code = (
        "import subprocess, sys\nx = b'x' * 80_000_000\ndel x\n"
        f"y = subprocess.Popen([sys.executable, '-c', {grandchild!r}], stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        "y.stdout.readline()"
    )
    with _python(code) as child:
        roots = {"it": [child.pid]}
        assert len(trees(roots)["it"]) == 2
        assert peak_mb(roots)["it"] > 130
        with watching_memory(roots) as highest:
            assert highest.keys() == {"it"}
        assert highest["it"] > 130


def test_our_own_children_are_found_by_their_command_lines() -> None:
    """A child is named by a text in its command line, and a grandchild is not a child."""
    grandchild = (
        "import subprocess, sys; y = subprocess.Popen(['sleep', '60.25']); import atexit; atexit.register(y.kill)"
    )
    with _python(f"'marker of a test'\n{grandchild}") as child:
        found = children_of_this({"marked": "marker of a test", "grandchild": "sleep 60.25"})
    assert found == {"marked": [child.pid], "grandchild": []}

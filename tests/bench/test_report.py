"""Figures, tables and the block in the document."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.bench import report
from testbed.bench.__main__ import DOCUMENT
from testbed.bench.backfill import Backfill
from testbed.bench.live import MailTimes
from testbed.samples.bench.mailbox import BenchMailbox, Sizes
from tools import derive

_CONTENT = BenchMailbox(
    folder=Path("nowhere"), address="a@b.example", seed=1, contacts=(), messages=2000, relevant=200, folders={},
    sizes=Sizes(8000, 27000, 300000, 1000000, 54_000_000),
)  # fmt: skip
_CPU = {"poller": 1.0, "parser": 2.0, "matcher": 3.0, "notifier": 0.1, "dovecot": 0.5}
_PEAK = dict.fromkeys(_CPU, 60.0)


def _results(seconds: float) -> report.Results:
    backfill = Backfill(seconds, (4.0, 6.0), _CPU, _PEAK)
    seen = [MailTimes(0.0, 0.5, 0.5 + number / 1000) for number in range(1, 101)]
    return {
        **report.backfill_results({"10": (_CONTENT, backfill), "100": (_CONTENT, backfill)}),
        **report.visible_results({"idle": seen, "busy": seen[:60]}),
    }


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5.0], 0.99, 5.0), ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0), ([float(n) for n in range(1, 101)], 0.99, 99.0)],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    """A percentile is a value that was measured: the smallest that is not below the share."""
    assert report.percentile(values, share) == expected


def test_results_hold_what_is_promised() -> None:
    """The JSON has the ratio to the mean of mbsync's two runs, CPU per 1,000 messages, peaks, and latencies in milliseconds."""
    results = _results(7.5)
    assert results["backfill"]["10"]["ratio"] == 1.5
    assert results["backfill"]["100"]["mbsync_seconds"] == 5.0
    assert results["cpu_per_1000"]["matcher"] == {"10": 1.5, "100": 1.5}
    assert "dovecot" not in results["cpu_per_1000"]
    assert results["server_cpu_per_1000"]["dovecot"] == {"10": 0.25, "100": 0.25}
    assert results["peak_mb"]["parser"] == 60
    assert results["visible_ms"]["idle"] == {"p50": 50.0, "p99": 99.0, "mails": 100}
    assert results["visible_ms"]["busy"]["mails"] == 60
    assert results["from_delivery_ms"]["idle"]["p50"] == 550.0


@pytest.mark.parametrize(("seconds", "sentences"), [(4.0, 0), (7.5, 1), (20.0, 2)])
def test_each_missed_target_is_said(seconds: float, sentences: int) -> None:
    """A ratio above its target is named; 50 ms for live mail is within its own."""
    assert len(report.missed(_results(seconds))) == sentences


def test_the_table_shows_what_was_measured_and_nothing_else() -> None:
    """Every group has its line; without live mail there is no table of it."""
    results = _results(7.5)
    tables = report.table(results)
    for part in ("**1.50**", "poller", "dovecot", "60 MB", "50 ms", "2,000 (54)"):
        assert part in tables
    assert "record" not in report.table({**results, "visible_ms": {}})


def test_the_document_has_the_block() -> None:
    """``docs/performance.md`` can be refreshed: the text around the markers is kept, and a second run changes nothing."""
    document = DOCUMENT.read_text()
    once = derive.between_marks(document, report.BEGIN, report.END, "refreshed")
    assert once.count(f"{report.BEGIN}\nrefreshed\n{report.END}") == 1
    assert derive.between_marks(once, report.BEGIN, report.END, "refreshed") == once
    before, after = document.split(report.BEGIN)[0], document.split(report.END)[1]
    assert once.startswith(before)
    assert once.endswith(after)
    with pytest.raises(ValueError, match="lost the marks"):
        derive.between_marks(before, report.BEGIN, report.END, "refreshed")

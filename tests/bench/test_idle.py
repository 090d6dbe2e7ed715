"""The figures of many mailboxes at rest."""

from __future__ import annotations

from testbed.bench.idle.figures import IdleFigures, IdlePlan, Rest


def test_the_figures_are_above_those_of_pollers_without_accounts() -> None:
    """Memory, CPU and commands per account; the median and the 99th percentile of new mail."""
    base, rest = Rest(60.0, 0.01, 0.005, 0.0, 2.0, 0), Rest(110.0, 0.02, 0.006, 100.0, 7.0, 1000)
    plan = IdlePlan(accounts=1000, pollers=1, mails=100, seconds=60, dialect="FULL")
    published = [number / 1000 for number in range(100, 0, -1)]
    lines = dict(IdleFigures(plan, base, 12.0, 3.0, rest, published, None, "1.0").lines())
    assert lines["memory per account"] == "51.2 KB"
    assert lines["CPU per account"] == "0.00100% of a core"
    assert lines["IMAP commands a minute and account"] == "6.00"
    assert lines["notice until published: median; 99th percentile"] == "50 ms; 100 ms"
    assert "a poller dies: until every account idles again" not in lines

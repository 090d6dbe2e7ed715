"""Dates that cannot be, that nobody can read, or that are too long."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from tests.parser.hostile.sample import Sample, sample
from tests.parser.samples import with_field


def _samples() -> dict[str, Sample]:
    read: dict[str, tuple[bytes, datetime | None, list[str]]] = {
        "year 0": (b"Mon, 3 Mar 0000 10:00:00 +0000", None, ["date"]),
        "year 9999": (b"Fri, 31 Dec 9999 23:59:59 +0000", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), []),
        "year 10000": (b"Sat, 1 Jan 10000 00:00:00 +0000", None, ["date"]),
        "day 32": (b"Mon, 32 Mar 2025 10:00:00 +0000", None, ["date"]),
        "30 February": (b"Sun, 30 Feb 2025 10:00:00 +0000", None, ["date"]),
        "hour 25": (b"Mon, 3 Mar 2025 25:00:00 +0000", None, ["date"]),
        "minute 61": (b"Mon, 3 Mar 2025 10:61:00 +0000", None, ["date"]),
        "leap second": (b"Sat, 31 Dec 2016 23:59:60 +0000", datetime(2017, 1, 1, tzinfo=UTC), []),
        "zone of 99 hours": (b"Mon, 3 Mar 2025 10:00:00 +9900", datetime(2025, 2, 27, 7, tzinfo=UTC), []),
        "zone of -2359": (
            b"Mon, 3 Mar 2025 10:00:00 -2359",
            datetime(2025, 3, 3, 10, tzinfo=timezone(-timedelta(hours=23, minutes=59))).astimezone(UTC),
            [],
        ),
        "wrong weekday": (b"Sun, 3 Mar 2025 10:00:00 +0000", datetime(2025, 3, 3, 10, tzinfo=UTC), []),
        "no zone": (b"Mon, 3 Mar 2025 10:00:00", datetime(2025, 3, 3, 10, tzinfo=UTC), ["date:guessed"]),
        "seconds since 1970": (b"1741000000", None, ["date"]),
        "negative": (b"-1", None, ["date"]),
        "words": (b"yesterday", None, ["date"]),
        "empty": (b"", None, []),
        "only spaces": (b"   ", None, []),
        "nul inside": (b"Mon, 3 Mar\x00 2025 10:00:00 +0000", datetime(2025, 3, 3, 10, tzinfo=UTC), ["date"]),
        "10 KB of digits": (b"9" * 10_000, None, ["date"]),
        "10 KB of comments": (b"(" * 10_000, None, ["date"]),
        "comment within": (b"Mon, 3 Mar (third) 2025 10:00:00 +0000", datetime(2025, 3, 3, 10, tzinfo=UTC), []),
        "arabic digits": ("٣ Mar ٢٠٢٥ ١٠:٠٠:٠٠ +0000".encode(), datetime(2025, 3, 3, 10, tzinfo=UTC), ["date"]),
        "full-width digits": (
            "３ Mar ２０２５ １０:００:００ +0000".encode(),
            datetime(2025, 3, 3, 10, tzinfo=UTC),
            ["date"],
        ),
        "html": (b"<script>3 Mar 2025</script>", None, ["date"]),
    }
    return {
        f"date: {name}": sample(with_field(b"Date", value), date=date, defects=defects)
        for name, (value, date, defects) in read.items()
    }


SAMPLES = _samples()

"""The scripts: conversations as their writers wrote them, one module a subject, prose only."""

from testbed.samples.correspondence import (
    bulk,
    charsets,
    french,
    german,
    internal,
    late,
    law,
    live,
    private,
    sales,
    support,
)

THREADS = (
    *sales.THREADS, *support.THREADS, *german.THREADS, *french.THREADS, *law.THREADS, *internal.THREADS,
    *late.THREADS, *private.THREADS, *bulk.THREADS, *charsets.THREADS, *live.SCENES.values(),
)  # fmt: skip

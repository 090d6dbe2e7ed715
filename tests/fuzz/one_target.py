"""Runs one target with atheris, or once on the inputs of some files. A process of its own: what it finds may end it.

Usage: ``python -m tests.fuzz.one_target TARGET SECONDS SEED RUNS CORPUS FINDINGS`` or ``… TARGET once FILE...``.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

_LONGEST = 20_000
_HANGS, _MEGABYTES = 120, 2_048
"""Seconds after which one input counts as a hang, and the memory of the process."""
_ALL = ("services.parser", "services.mailbox", "services.poller", "schemas.header", "schemas.bounces")
_GUIDES = {
    "imap": ("services.mailbox.imap",),
    "charset": ("services.parser.mime",),
    "reply": ("services.parser.reply",),
    "wrappers": ("services.parser.wrappers", "services.parser.mime"),
    "html": ("services.parser.content.plaintext",),
}
"""The code that guides the fuzzer: all that a target runs. To prepare other code takes most of a short run."""


def main(target: str, *arguments: str) -> None:
    """Run."""
    logging.disable()
    if arguments[0] == "once":
        from tests.fuzz.budget import within_budget  # noqa: PLC0415 - atheris has to see other imports first
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415

        for name in arguments[1:]:
            within_budget(TARGETS[target], Path(name).read_bytes())
        return
    _fuzz(target, *arguments)


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _fuzz(target: str, *arguments: str) -> None:
    seconds, seed, runs, corpus, findings = arguments
    import atheris  # noqa: PLC0415

    with atheris.instrument_imports(include=list(_GUIDES.get(target, _ALL))):
        from tests.fuzz.budget import within_budget  # noqa: PLC0415
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415
    from tests.fuzz.seeds import seeds, words  # noqa: PLC0415

    for number, data in enumerate(seeds(target)):
        Path(corpus, f"seed-{number:03}").write_bytes(data)
    dictionary = Path(findings, f"{target}.dict")
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in words(target)))
    check = TARGETS[target]

    slowest, longest = Path(findings, f"{target}.slowest"), 0.0

    def one_input(data: bytes) -> None:
        nonlocal longest
        if (took := within_budget(check, data)) > longest:
            longest = took
            slowest.write_text(f"{took:.2f} s, {len(data):,} bytes")

    options = {
        "max_total_time": seconds,
        "seed": seed,
        "runs": runs,
        "max_len": _LONGEST,
        "timeout": _HANGS,
        "rss_limit_mb": _MEGABYTES,
        "dict": dictionary,
        "artifact_prefix": f"{findings}/{target}-",
        "print_final_stats": 1,
        "reload": 0,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), corpus],
        one_input,
        internal_libfuzzer=True,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])

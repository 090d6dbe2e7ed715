"""``python -m testbed.bench.idle``: measures and prints the figures."""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from testbed.bench.idle.figures import IdlePlan
from testbed.bench.idle.measure import run
from testbed.bench.mailboxes import BenchError
from testbed.local import HostingError, LocalServers
from testbed.processes.certificates import make_certificates


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed.bench.idle", description=__doc__)
    parser.add_argument("--accounts", type=int, default=500, help="mailboxes (default: %(default)s)")
    parser.add_argument(
        "--pollers", type=int, default=1, help="with more than one, one is killed (default: %(default)s)"
    )
    parser.add_argument("--mails", type=int, default=200, help="new mails, one by one (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=120, help="at rest (default: %(default)s)")
    parser.add_argument(
        "--dialect", default="FULL", help="of the server; FULL+NOTIFY adds to it (default: %(default)s)"
    )
    parser.add_argument(
        "--set", action="append", default=[], type=_setting, metavar="NAME=VALUE", dest="settings",
        help="a setting of the pollers, such as LEADMAIL_POLL_SECONDS=60; may be repeated",
    )  # fmt: skip
    parser.add_argument("--logs", type=Path, help="a folder for the pollers' logs, to be kept")
    options = parser.parse_args(arguments)
    plan = IdlePlan(
        options.accounts, options.pollers, options.mails, options.seconds, options.dialect, dict(options.settings)
    )
    # Each connection is a file on both sides.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        with (
            LocalServers(hosting="processes", parts=("rabbitmq", "mongo")) as servers,
            tempfile.TemporaryDirectory(prefix="leadmail-bench-") as name,
        ):
            logs = options.logs or Path(name) / "logs"
            logs.mkdir(parents=True, exist_ok=True)
            certificates = make_certificates(Path(name) / "certificates")
            lines = asyncio.run(run(servers, plan, certificates, logs, _say)).lines()
    except (BenchError, HostingError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    width = max(len(what) for what, _ in lines)
    print("\n".join(f"| {what:<{width}} | {value} |" for what, value in lines), flush=True)  # noqa: T201 - a command's output
    return 0


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.startswith("LEADMAIL_"):
        raise argparse.ArgumentTypeError("give LEADMAIL_NAME=VALUE")
    return name, value


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - progress for the person who waits


if __name__ == "__main__":
    sys.exit(main())

"""``python -m testbed.chaos``: runs scenarios until the time is up; prints a table and a summary line, writes ``chaos/results.json``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from testbed.chaos import report, scenario
from testbed.chaos.proof.findings import UNFINISHED_WORK, Finding
from testbed.chaos.scenario import Result, Shape
from testbed.chaos.world.network import network
from testbed.local import HostingError

_PROJECT = Path(__file__).parents[2]
_MINUTE_S = 60


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m testbed.chaos", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=3, help="start no scenario after this time (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, help="of everything that is made up; by default another one each time")
    parser.add_argument("--scenario", type=int, metavar="NUMBER", help="only this one of the seed's scenarios")
    parser.add_argument("--mails", type=int, default=Shape.mails, help="in each scenario (default: %(default)s)")
    parser.add_argument("--rest", type=float, default=Shape.rest, metavar="SECONDS",
                        help="that everything may take to come to rest after the faults (default: %(default)s)")  # fmt: skip
    parser.add_argument("--results", type=Path, default=_PROJECT / "chaos" / "results.json")
    parser.add_argument("--logs", type=Path, help="a new folder for the stages' logs, to be kept; those of a scenario with "
                        "findings are kept anyway, beside the results")  # fmt: skip
    options = parser.parse_args(arguments)
    seed = options.seed if options.seed is not None else secrets.randbelow(100_000)
    _say(f"seed {seed}: --seed {seed} repeats this run, with --scenario one of its scenarios")
    try:
        with tempfile.TemporaryDirectory(prefix="leadmail-chaos-") as name:
            results, hosting = asyncio.run(_run(options, seed, options.logs or Path(name) / "logs"))
    except HostingError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    except KeyboardInterrupt:
        return 130
    report.write(options.results, report.as_json(results, seed=seed, hosting=hosting, minutes=options.minutes))
    _say(f"\n{report.table(results)}\n")
    _say(report.last_line(results))
    return 1 if any(result.findings for result in results) else 0


async def _run(options: argparse.Namespace, seed: int, logs: Path) -> tuple[list[Result], str]:
    began = time.monotonic()
    results: list[Result] = []
    async with network(scenario.REPLICAS) as net:
        while True:
            number = options.scenario or len(results) + 1
            shape = Shape(mails=options.mails, rest=options.rest)
            try:
                result = await scenario.run(
                    net, seed=seed, number=number, shape=shape, folder=logs / str(number), say=_say
                )
            except Exception as error:  # noqa: BLE001 - what was found so far is reported all the same
                traceback.print_exc()
                broken = Finding(UNFINISHED_WORK, f"the scenario broke off: {type(error).__name__}: {error}")
                result = Result(number, "", seed, findings=[broken])
            results.append(result)
            for line in (*report.details([result]), report.last_line([result])):
                _say(line)
            if result.findings:
                kept = logs / str(number)
                if options.logs is None:
                    kept = options.results.parent / "logs" / f"{seed}-{number}-{int(time.time())}"
                    shutil.copytree(logs / str(number), kept)
                _say(f"the stages' logs of scenario {number}, and what the database wrote, are in {kept}")
            if (
                options.scenario
                or not result.seconds
                or time.monotonic() - began + result.seconds / 2 > options.minutes * _MINUTE_S
            ):
                return results, net.servers.hosting


def _say(sentence: str) -> None:
    print(sentence, flush=True)  # noqa: T201 - progress for the person who waits


if __name__ == "__main__":
    sys.exit(main())

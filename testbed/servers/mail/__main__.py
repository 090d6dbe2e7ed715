"""Run Cyrus or Courier until SIGTERM, or until one of its parts ends: `python -m testbed.servers.mail KIND --…`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial

from testbed.processes.users import MailUsers
from testbed.servers.mail import courier, cyrus
from testbed.servers.mail.delivery import Lmtp
from testbed.servers.mail.logins import Logins
from testbed.servers.mail.maildirs import Maildirs
from testbed.servers.mail.settings import Commands, MailSettings

_END_S = 10


async def run(kind: str, settings: MailSettings) -> int:
    """Start everything; return the exit status of the part that ended first, or 0 after SIGTERM."""
    users, maildirs = MailUsers(settings.users), Maildirs(settings)
    logins = Logins(users, partial(courier.account, settings, maildirs))
    plan = (cyrus if kind == "cyrus" else courier).commands(settings)
    settings.own(plan.logins.parent)
    plan.logins.unlink(missing_ok=True)
    answer = logins.saslauthd if kind == "cyrus" else logins.authdaemond
    await asyncio.start_unix_server(answer, plan.logins)
    plan.logins.chmod(0o666)
    if kind == "courier":
        await Lmtp(users, maildirs).serve(settings.listen, settings.lmtp_port)
    for command in plan.once:
        await (await _start(command, plan, settings)).wait()
    children = [await _start(command, plan, settings) for command in plan.commands]
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    waiting = [asyncio.create_task(child.wait()) for child in children]
    asked = asyncio.create_task(ended.wait())
    await asyncio.wait([asked, *waiting], return_when=asyncio.FIRST_COMPLETED)
    status = 0 if asked.done() else next(task.result() for task in waiting if task.done()) or 1
    for child in children:
        if child.returncode is None:
            child.terminate()
    await asyncio.wait(waiting, timeout=_END_S)
    return status


async def _start(command: tuple[str, ...], plan: Commands, settings: MailSettings) -> asyncio.subprocess.Process:
    become = [f"--reuid={settings.user}", f"--regid={settings.group}", "--clear-groups"] if os.geteuid() == 0 else []
    return await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", *become, "--", *command),
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8", **plan.environment},
        cwd=settings.folder,
        stdin=asyncio.subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(run(*MailSettings.parse(sys.argv[1:]))))

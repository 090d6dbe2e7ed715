"""Whether a mail server answers at an address, encrypted and with a valid certificate. No password is sent."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence

from schemas.accounts import ServerAddress
from services.mailbox.connection import ConnectPolicy, MailServerError, Protocol, Timeouts
from services.mailbox.imap import open_imap
from services.mailbox.smtp import close_smtp, open_smtp

PROBE_TIMEOUTS = Timeouts(connect=4.0, read=4.0, login=6.0)


async def answers(server: ServerAddress, protocol: Protocol, *, policy: ConnectPolicy) -> bool:
    """Whether the server completes the handshake and greets as ``protocol`` does."""
    quick = dataclasses.replace(policy, timeouts=PROBE_TIMEOUTS, allow_plaintext=False)
    try:
        if protocol == "smtp":
            await close_smtp(await open_smtp(server, policy=quick))
        else:
            client = await asyncio.to_thread(open_imap, server, policy=quick)
            client.shutdown()
    except MailServerError:
        return False
    return True


async def first_that_answers(
    servers: Sequence[ServerAddress], protocol: Protocol, *, policy: ConnectPolicy
) -> ServerAddress | None:
    """Return the first of ``servers`` (best first) that answers. All are tried concurrently."""
    tasks = [asyncio.create_task(answers(server, protocol, policy=policy)) for server in servers]
    try:
        for server, task in zip(servers, tasks, strict=True):
            if await task:
                return server
        return None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""What the shell offers for the name of an account, user or record. It takes a moment at most, and is silent if it finds nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.store import Store

_SECONDS = 1.0
"""A shell waits for it, so a database that is slow or down counts as one without names."""


def account_names(incomplete: str) -> list[str]:
    """Return addresses of accounts that begin so."""
    return _found(lambda store: store.name_completion.accounts(incomplete))


def user_names(incomplete: str) -> list[str]:
    """Return addresses of users that begin so."""
    return _found(lambda store: store.name_completion.users(incomplete))


def record_names(incomplete: str) -> list[str]:
    """Return addresses of leads and contacts that begin so."""
    return _found(lambda store: store.name_completion.records(incomplete))


def _found(look: Callable[[Store], Awaitable[list[str]]]) -> list[str]:
    try:
        return asyncio.run(_look(look))
    except Exception:  # noqa: BLE001 - whatever it is, a message would be written into the line that the user types
        return []


async def _look(look: Callable[[Store], Awaitable[list[str]]]) -> list[str]:
    # Imported here because every command names these functions, and few calls are for the shell.
    from services.runtime.mongo import make_client  # noqa: PLC0415
    from services.settings import CliSettings  # noqa: PLC0415
    from services.wiring import make_store  # noqa: PLC0415

    settings = CliSettings.read()
    async with asyncio.timeout(_SECONDS), make_client(settings) as mongo:
        store = make_store(mongo[settings.mongo_database], mongo[settings.crm_database], settings)
        return await look(store)

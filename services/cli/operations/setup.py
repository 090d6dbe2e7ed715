"""``leadmail setup``: what a deployment needs before its stages, in one go: for compose, a Kubernetes job, an upgrade."""

from __future__ import annotations

import typer

from services.cli.terminal.output import say
from services.cli.terminal.session import command, open_session

app = typer.Typer(add_completion=False)


@app.command()
@command
async def setup() -> None:
    """Make collections, indexes, queues and bindings that are missing, and migrate. Safe at any time and as often as you like.

    Each stage does the same at its start; done before, a stage starts at once.
    """
    async with open_session(setup=True) as session:
        say(f"MongoDB: the database {session.settings.mongo_database} has its collections and indexes.")
        for name in session.migrated:
            say(f"MongoDB: migrated, {name}.")
        async with session.bus() as bus:
            queues = await bus.queue_depths()
    say(f"RabbitMQ: {len(queues)} queues are there.")

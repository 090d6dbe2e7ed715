"""``leadmail setup``: prepares MongoDB and RabbitMQ before the stages start: for Compose, a Kubernetes job, an upgrade."""

from __future__ import annotations

import typer

from services import wording
from services.cli.terminal.output import say
from services.cli.terminal.session import command, open_session
from services.usecases import company_domains

app = typer.Typer(add_completion=False)


@app.command()
@command
async def setup() -> None:
    """Create missing collections, indexes, queues and bindings, and migrate. Safe to run at any time, any number of times.

    Each stage does the same when it starts; after this command, a stage starts immediately.
    """
    async with open_session(setup=True) as session:
        say(f"MongoDB: the database {session.settings.mongo_database} has all collections and indexes.")
        for name in session.migrated:
            say(f"MongoDB: ran migration {name}.")
        for domain in await company_domains.proposed(session.store):
            say(wording.proposed_domain(domain.domain, domain.addresses), style="yellow")
        async with session.bus() as bus:
            queues = await bus.queue_depths()
    say(f"RabbitMQ: {len(queues)} queues are declared.")

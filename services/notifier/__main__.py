"""Wires the notifier: ``python -m services.notifier``."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from schemas.messages import AccountAttention, Event, SyncCompleted
from schemas.routes import routes_to
from services.amqp import Handle, Stage, run_stage
from services.notifier.handler import Notifier
from services.notifier.metrics import counting, mail_counter
from services.notifier.notification import send_to_each
from services.runtime.periodic import periodic
from services.settings import NotifierSettings
from services.wiring import make_policy, make_post, make_store, note_sender

SWEEP_SECONDS = 10.0


async def main(stage: Stage[NotifierSettings]) -> None:
    """Consume both routes, and sweep for due mail."""
    settings = stage.settings
    store = make_store(stage.database, stage.crm, settings)
    post = make_post(settings, make_policy(settings), store.relay_refresh)
    await store.setup()
    await note_sender(store, settings)
    counted = counting(partial(send_to_each, post=post), mail_counter(stage.metrics.registry))
    hours = settings.trouble_mail_hours
    lasting = timedelta(hours=hours) if hours else None
    notifier = Notifier(store, counted, settings.mail_from, stage.log, settings.console_url, lasting)
    handlers: dict[type[Event], Handle] = {SyncCompleted: notifier.completed, AccountAttention: notifier.attention}
    for route in routes_to("notifier"):
        await stage.bus.consume(route, handlers[route.message])
    await stage.run(periodic("sweep", notifier.sweep, seconds=SWEEP_SECONDS, log=stage.log))


if __name__ == "__main__":
    run_stage(NotifierSettings, main)

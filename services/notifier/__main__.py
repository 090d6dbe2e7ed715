"""Wires the notifier: ``python -m services.notifier``."""

from __future__ import annotations

from email.utils import parseaddr

from schemas.addresses import InvalidAddressError, normal_address
from schemas.messages import AccountAttention, Message, SyncCompleted
from schemas.routes import routes_to
from services.mailbox.relay import parse_relay, submit
from services.notifier.compose import on_the_wire
from services.notifier.duty import Letter
from services.notifier.handler import Notifier
from services.notifier.metrics import NotifierMetrics
from services.runtime.bus import Handle
from services.runtime.environment import SettingsError
from services.runtime.periodic import periodic
from services.runtime.stage import Stage, run_stage
from services.wiring import make_policy, make_store

SWEEP_SECONDS = 10.0


async def main(stage: Stage) -> None:
    """Consume both routes and sweep what is due."""
    settings = stage.settings
    try:
        relay = parse_relay(settings.smtp_url.get_secret_value())
        envelope = normal_address(parseaddr(settings.mail_from)[1])
    except InvalidAddressError:
        raise SettingsError(
            "LEADMAIL_MAIL_FROM is wrong: give a sender such as Leadmail <leadmail@example.com>."
        ) from None
    except ValueError as error:
        raise SettingsError(str(error)) from None
    policy = make_policy(settings)

    async def send(letter: Letter) -> None:
        await submit(relay, on_the_wire(letter.mail), sender=envelope, recipients=[letter.to], policy=policy)

    store = make_store(stage.database, stage.crm, settings)
    await store.setup()
    counted = NotifierMetrics(stage.metrics.registry).counting(send)
    notifier = Notifier(store, counted, settings.mail_from, stage.log)
    handlers: dict[type[Message], Handle] = {SyncCompleted: notifier.completed, AccountAttention: notifier.attention}
    for route in routes_to("notifier"):
        await stage.bus.consume(route, handlers[route.message])
    await stage.run(periodic("sweep", notifier.sweep, seconds=SWEEP_SECONDS, log=stage.log))


if __name__ == "__main__":
    run_stage("notifier", main)

"""Dead letters: list, show, replay, drop. Administrators see where a message failed, not what the mail says."""

from __future__ import annotations

from starlette.responses import Response

from schemas.routes import ROUTES
from services.console.web.forms import PageError
from services.console.web.request_context import RequestContext
from services.usecases import dead_letters

_PAGE = 200
_QUEUES = frozenset(route.queue for route in ROUTES)
_ABOUT_MESSAGE = "ce-"
"""Prefix of the headers that describe the message; others may quote the mail."""


async def index(context: RequestContext) -> Response:
    """List dead letters, newest first."""
    store = context.store
    found = await store.dead_letters.newest(limit=_PAGE)
    accounts = await store.accounts.of_ids({one.account for one in found if one.account})
    return context.render(
        "dead_letters.html",
        dead_letters=found,
        accounts=accounts,
        count=await store.dead_letters.count(),
        queues=_QUEUES,
    )


async def show(context: RequestContext) -> Response:
    """Show a dead letter: where it failed and which copy it concerns, but nothing of the mail's content."""
    letter = await context.store.dead_letters.get(context.path_part("dead_letter"))
    return context.render(
        "dead_letter.html",
        dead_letter=letter,
        place=await dead_letters.location_of(letter, context.store),
        octets=dead_letters.size_of(letter),
        headers=sorted((name, text) for name, text in letter.headers.items() if name.startswith(_ABOUT_MESSAGE)),
        replayable=letter.queue in _QUEUES,
        broker=context.console.broker is not None,
    )


async def decide(context: RequestContext) -> Response:
    """Replay a dead letter, or drop it."""
    letter = await context.store.dead_letters.get(context.path_part("dead_letter"))
    match context.form.text("do"):
        case "replay":
            if letter.queue not in _QUEUES:
                raise PageError(
                    409, "This message did not come from a Leadmail queue, so it cannot be replayed. You can drop it."
                )
            bus = await context.console.broker.bus() if context.console.broker else None
            if bus is None:
                raise PageError(503, "RabbitMQ does not answer, so nothing was sent. Check that it is running.")
            await dead_letters.replay(letter, context.store, bus, by=context.viewer)
            return context.redirect("/operations/dead-letters", "replayed")
        case "drop":
            await dead_letters.drop(letter, context.store, by=context.viewer)
            return context.redirect("/operations/dead-letters", "dropped")
    raise PageError(400, "A dead letter can be replayed or dropped.")

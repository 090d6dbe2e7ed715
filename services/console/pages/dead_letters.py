"""Dead letters: listed, shown, sent again, given up. What a letter says is for whoever may read the mail, not for who operates."""

from __future__ import annotations

from starlette.responses import Response

from schemas.routes import ROUTES
from services.console.web.forms import AnswerError
from services.console.web.request_context import RequestContext
from services.usecases import dead_letters

_PAGE = 200
_QUEUES = frozenset(route.queue for route in ROUTES)
_ABOUT_MESSAGE = "ce-"
"""Headers that tell of the message; others may tell of the mail."""


async def every(visit: RequestContext) -> Response:
    """List them, newest first."""
    store = visit.store
    found = await store.dead_letters.list(limit=_PAGE)
    accounts = await store.accounts.of_ids({one.account for one in found if one.account})
    return visit.page(
        "letters.html", letters=found, accounts=accounts, count=await store.dead_letters.count(), queues=_QUEUES
    )


async def one(visit: RequestContext) -> Response:
    """Show one: where it failed and which copy it is about, nothing of what the mail says."""
    letter = await visit.store.dead_letters.get(visit.part("letter"))
    return visit.page(
        "letter.html",
        letter=letter,
        place=await dead_letters.place_of(letter, visit.store),
        octets=dead_letters.size_of(letter),
        headers=sorted((name, text) for name, text in letter.headers.items() if name.startswith(_ABOUT_MESSAGE)),
        ours=letter.queue in _QUEUES,
        broker=visit.console.broker is not None,
    )


async def decide(visit: RequestContext) -> Response:
    """Send one to its queue again, or give it up."""
    letter = await visit.store.dead_letters.get(visit.part("letter"))
    match visit.form.text("do"):
        case "replay":
            if letter.queue not in _QUEUES:
                raise AnswerError(409, "It came out of no queue of ours: look at it, or drop it.")
            bus = await visit.console.broker.bus() if visit.console.broker else None
            if bus is None:
                raise AnswerError(503, "RabbitMQ does not answer: nothing was sent. Check that it runs.")
            await dead_letters.replay(letter, visit.store, bus, by=visit.viewer)
            return visit.go("/operations/dead-letters", "replayed")
        case "drop":
            await dead_letters.drop(letter, visit.store, by=visit.viewer)
            return visit.go("/operations/dead-letters", "dropped")
    raise AnswerError(400, "A dead letter can be sent again or given up.")

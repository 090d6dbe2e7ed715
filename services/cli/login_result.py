"""The try of a login, and what it came to: for people and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.accounts import ServerAddress
from services.cli.output import console, errors, say
from services.mailbox.models import Credentials
from services.mailbox.policy import ConnectPolicy
from services.mailbox.providers import Provider

if TYPE_CHECKING:
    from services.mailbox.check import CheckResult, Refusal


async def tried(
    incoming: ServerAddress,
    outgoing: ServerAddress | None,
    credentials: Credentials,
    policy: ConnectPolicy,
    provider: Provider | None,
) -> CheckResult:
    """Try the login at both servers; nothing is fetched, changed or sent."""
    # Only here: most account commands do without the clients of both protocols, which are not quick to load.
    from services.mailbox.check import check_account  # noqa: PLC0415

    return await check_account(incoming, outgoing, credentials, policy=policy, provider=provider)


def cleaned(credentials: Credentials, provider: Provider | None) -> Credentials:
    """Return credentials as they are to be saved: an app password without the blanks that it is shown with."""
    from services.mailbox.check import cleaned as clean_password  # noqa: PLC0415 - as above

    return clean_password(credentials, provider)


def as_json(result: CheckResult) -> dict[str, Any]:
    """Return the result for programs."""
    return {
        "ok": result.ok,
        "incoming": _refusal(result.incoming),
        "outgoing_checked": result.outgoing_checked,
        "outgoing": _refusal(result.outgoing),
    }


def _refusal(refusal: Refusal | None) -> dict[str, Any] | None:
    if refusal is None:
        return None
    return {
        "code": refusal.code,
        "sentence": refusal.sentence,
        "steps": refusal.steps,
        "url": refusal.url,
        "answer": refusal.answer,
    }


def show(result: CheckResult, *, to_errors: bool = False) -> None:
    """Say what the servers said, and what to do."""
    on = errors if to_errors else console
    if (refusal := result.incoming) and (other := result.outgoing) and refusal.sentence == other.sentence:
        _say(f"Both servers: {refusal.sentence}", refusal, on)
        return
    for which, one, checked in (
        ("Incoming", result.incoming, True),
        ("Outgoing", result.outgoing, result.outgoing_checked),
    ):
        if one is not None:
            _say(f"{which} server: {one.sentence}", one, on)
        elif checked:
            say(f"{which} server: the login works.", style="green", on=on)


def _say(sentence: str, refusal: Refusal, on: Any) -> None:
    say(sentence, style="red", on=on)
    for number, step in enumerate(refusal.steps, 1):
        say(f"  {number}. {step}", on=on)
    if refusal.url:
        say(f"  {refusal.url}", style="cyan", on=on)
    if refusal.answer:
        say(f"  The server said: {refusal.answer}", style="dim", on=on)

"""Connecting many mailboxes from a table: paste it, see what would happen, then connect a few at a time, with the reasons.

Between two steps the table is sealed like a password and kept for the administrator's session; no page shows a password.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from time import monotonic
from typing import Any, Literal

from pydantic import SecretStr, ValidationError
from starlette.responses import Response

from schemas.accounts import SealedCredentials
from services import wording
from services.console.web.forms import PageError, new_secret
from services.console.web.request_context import RequestContext
from services.mailbox.connection import PasswordCredentials
from services.store import NotFoundError, new_account_id
from services.usecases.importing.importer import AT_ONCE, Importer, ImportOutcome
from services.usecases.importing.spreadsheet import TableError
from services.usecases.importing.table import ImportState, MailboxTable, read_table, write_failures

HERE = "/operations/import"
MOST_BYTES = 512 * 1024
"""Of a form with a table: its longest, with all columns, and commas and ``@`` as forms write them."""
LASTS = timedelta(minutes=30)
"""How long an administrator may look at the dry run."""
STEP = timedelta(seconds=2)
"""About how long one step of a dry run takes."""
_ENDED = "This import has ended, or was started in another browser. Paste the table again: what is connected stays connected."


async def form(context: RequestContext) -> Response:
    """Ask for the table."""
    return _form(context)


def _form(context: RequestContext, wrong: str = "") -> Response:
    services = context.console.sign_ins.app_only.values()
    return context.render("import.html", status=422 if wrong else 200, wrong=wrong, services=services)


async def go_on(context: RequestContext) -> Response:
    """Go on with the dry run of a table, connect its next mailboxes, or give the failures as a file."""
    match context.form.text("do"):
        case "check":
            return await _check(context)
        case "connect":
            return await _connect(context)
        case "failures":
            return await _failures(context)
    raise PageError(400, "A table can be checked or connected.")


async def _check(context: RequestContext) -> Response:
    """Check a table for some seconds. The page that follows goes on with the rest, as with connecting."""
    if "pending" in context.form:
        text, left, settled = await _kept(context)
        rows = read_table(text.get_secret_value()).rows
    else:
        text, settled = SecretStr(context.form.secret("table")), []
        try:
            rows = read_table(text.get_secret_value()).rows
        except TableError as error:
            return _form(context, wording.sentence(str(error)))
        left = [row.line for row in rows]
    by_line, until = {row.line: row for row in rows}, monotonic() + STEP.total_seconds()
    while left:
        now, left = left[:AT_ONCE], left[AT_ONCE:]
        settled += await _importer(context).run([by_line[line] for line in now], dry_run=True)
        if monotonic() >= until:
            break
    ready = [one.line for one in settled if one.state is ImportState.READY]
    if left:
        pending = await _keep(context, text, left, settled)
    else:
        refused = [one for one in settled if one.state is not ImportState.READY]
        pending = await _keep(context, text, ready, refused) if ready else ""
    return _page(context, settled, left or ready, pending, "checking" if left else "checked")


async def _connect(context: RequestContext) -> Response:
    """Connect the next few mailboxes. The page that follows goes on by itself where scripts run, else by a button."""
    text, left, settled = await _kept(context)
    now, later = left[:AT_ONCE], left[AT_ONCE:]
    table = read_table(text.get_secret_value())
    settled += await _importer(context).run([row for row in table.rows if row.line in set(now)])
    if later:
        return _page(context, settled, later, await _keep(context, text, later, settled), "connecting")
    outcomes = sorted(settled, key=lambda one: one.line)
    return _page(context, outcomes, [], await _keep_failures(context, new_secret(), table, outcomes), "done")


def _page(
    context: RequestContext,
    outcomes: list[ImportOutcome],
    left: list[int],
    pending: str,
    step: Literal["checking", "checked", "connecting", "done"],
) -> Response:
    failed = [one for one in outcomes if one.state is ImportState.FAILED]
    return context.render("import_rows.html", outcomes=outcomes, left=left, pending=pending, step=step, failed=failed)


def _importer(context: RequestContext) -> Importer:
    return Importer(context.saver, context.console.sign_ins)


async def _keep(context: RequestContext, text: SecretStr, left: list[int], settled: list[ImportOutcome]) -> str:
    sealed_for, pending = new_account_id(), new_secret()
    sealed = context.console.box.seal(sealed_for, PasswordCredentials(password=text))
    details = {"sealed_for": sealed_for, "import": sealed, "left": left, "settled": [one._asdict() for one in settled]}
    await context.store.pending_sign_ins.offer(pending, context.seed, details, lasts=LASTS)
    return pending


async def _kept(context: RequestContext) -> tuple[SecretStr, list[int], list[ImportOutcome]]:
    """Return the table, the lines that are left, and what became of the others.

    Raises:
        PageError: there is no such import of this session.
    """
    try:
        details: dict[str, Any] = await context.store.pending_sign_ins.take(
            context.form.secret("pending"), context.seed
        )
        sealed = SealedCredentials.model_validate(details.get("import"))
    except (NotFoundError, ValidationError):
        raise PageError(400, _ENDED) from None
    found = context.console.box.open(details["sealed_for"], sealed)
    assert isinstance(found, PasswordCredentials)
    settled = [ImportOutcome(**{**one, "state": ImportState(one["state"])}) for one in details["settled"]]
    return found.password, list(details["left"]), settled


async def _keep_failures(
    context: RequestContext, pending: str, table: MailboxTable, outcomes: Iterable[ImportOutcome]
) -> str:
    reasons = {one.line: one.reason for one in outcomes if one.state is ImportState.FAILED}
    failed = [(row, reasons[row.line]) for row in table.rows if row.line in reasons]
    details = {"failures": write_failures(failed, table.delimiter)}
    await context.store.pending_sign_ins.offer(pending, context.seed, details, lasts=LASTS)
    return pending


async def _failures(context: RequestContext) -> Response:
    """Return the failures as a file, as often as it is asked for."""
    pending = context.form.secret("pending")
    try:
        details = await context.store.pending_sign_ins.take(pending, context.seed)
    except NotFoundError:
        raise PageError(400, _ENDED) from None
    await context.store.pending_sign_ins.offer(pending, context.seed, details, lasts=LASTS)
    headers = {"Content-Disposition": 'attachment; filename="failures.csv"'}
    return Response(details.get("failures", ""), media_type="text/csv; charset=utf-8", headers=headers)

"""Who sees a mailbox's mail: chosen, told what it would change for whom, then done."""

from __future__ import annotations

from starlette.responses import Response

from schemas.addresses import InvalidDomainError
from schemas.sharing import CompanyPolicy, Mode, SharingPolicy
from services import wording
from services.console.pages.mailboxes import connected
from services.console.web.forms import AnswerError, Form
from services.console.web.request_context import RequestContext
from services.store import Preview
from services.usecases.connecting import check_allowed
from services.usecases.servers import read_domains


def modes(company: CompanyPolicy) -> list[tuple[Mode, str]]:
    """Return the modes that the company allows, with who sees the mail then."""
    return [(mode, text) for mode, text in wording.MODES.items() if mode in company.allowed_modes]


def effects(preview: Preview) -> list[tuple[str, tuple[object, ...]]]:
    """Return what a change would do: sentences, each with its examples."""
    both = (preview.hidden, wording.HIDDEN), (preview.shown, wording.SHOWN)
    return [(wording.effect(one, what), one.examples) for one, what in both if one.emails] or [(wording.NO_EFFECT, ())]


def read_policy(form: Form, before: SharingPolicy | None, company: CompanyPolicy) -> SharingPolicy:
    """Return the policy that was chosen; domains that are not asked for in a mode are kept for when it is custom again.

    Raises:
        AnswerError: nothing was chosen, or a domain is none that can be excluded.
        NotAllowedError: the company does not allow the mode.
    """
    try:
        mode = Mode(form.text("mode"))
        domains = read_domains(form.text("domains"))
    except InvalidDomainError as error:
        raise AnswerError(400, str(error)) from None
    except ValueError:
        raise AnswerError(400, "Choose who may see the mail.") from None
    check_allowed(mode, company)
    kept = domains if mode is Mode.CUSTOM else before.excluded_domains if before else ()
    return SharingPolicy(mode=mode, excluded_domains=kept)


async def form(visit: RequestContext) -> Response:
    """Ask who may see the mail."""
    account = await connected(visit)
    company = await visit.store.company.policy()
    return visit.page(
        "sharing.html", account=account, policy=account.sharing, modes=modes(company), company=company, effects=None
    )


async def change(visit: RequestContext) -> Response:
    """Tell what a choice would change; done is it when that was seen."""
    account = await connected(visit)
    company = await visit.store.company.policy()
    policy = read_policy(visit.form, account.sharing, company)
    if visit.form.text("do") == "save":
        await visit.store.sharing.set_account(account.id, policy, by=visit.viewer)
        return visit.go(f"/mailboxes/{account.id}", "sharing")
    told = effects(await visit.store.previewing.account(account, policy))
    return visit.page(
        "sharing.html", account=account, policy=policy, modes=modes(company), company=company, effects=told
    )

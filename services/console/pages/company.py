"""The company's sharing policy, which no user can undo: chosen by an administrator, told what it would change, then done."""

from __future__ import annotations

from starlette.responses import Response

from schemas.addresses import InvalidDomainError
from schemas.sharing import CompanyPolicy, Mode
from services import wording
from services.console.pages.sharing import effects
from services.console.web.forms import AnswerError, Form
from services.console.web.request_context import RequestContext
from services.usecases.servers import read_domains


async def form(visit: RequestContext) -> Response:
    """Show the policy."""
    return visit.page("company.html", policy=await visit.store.company.policy(), modes=wording.MODES, effects=None)


async def change(visit: RequestContext) -> Response:
    """Tell what a choice would change; done is it when that was seen."""
    policy = _read(visit.form)
    if visit.form.text("do") == "save":
        await visit.store.sharing.set_company(policy, by=visit.viewer)
        return visit.go("/operations/sharing", "company")
    told = effects(await visit.store.previewing.company(policy, by=visit.viewer))
    return visit.page("company.html", policy=policy, modes=wording.MODES, effects=told)


def _read(form: Form) -> CompanyPolicy:
    try:
        allowed = tuple(mode for mode in Mode if mode.value in form.all("allowed"))
        policy = CompanyPolicy(
            excluded_domains=read_domains(form.text("domains")),
            default_mode=Mode(form.text("default")),
            allowed_modes=allowed,
        )
    except InvalidDomainError as error:
        raise AnswerError(400, str(error)) from None
    except ValueError:
        raise AnswerError(400, "Choose what is proposed, and what is allowed.") from None
    if policy.default_mode not in policy.allowed_modes:
        raise AnswerError(
            400, f"{policy.default_mode.value} would be proposed and is not allowed: allow it, or propose another."
        )
    return policy

"""What refuses an action, as the status and the sentence of a page: of the form that was submitted, or of an error."""

from __future__ import annotations

from schemas.addresses import InvalidAddressError, InvalidDomainError
from services import wording
from services.console.web.forms import PageError
from services.mailbox.connection import SealError
from services.store import AlreadyExistsError, ChangedMeanwhileError, NotAllowedError

_STATUSES: dict[type[Exception], int] = {
    InvalidAddressError: 400,
    InvalidDomainError: 400,
    NotAllowedError: 403,
    AlreadyExistsError: 409,
    ChangedMeanwhileError: 409,
    SealError: 409,
}
_SEALED = "The saved password can no longer be decrypted. Enter it again."
REFUSALS: tuple[type[Exception], ...] = (PageError, *_STATUSES)
"""The errors that say what the visitor can change about what they typed."""


def page_error(refusal: Exception) -> PageError:
    """Return one of ``REFUSALS`` with its status and a sentence for the visitor."""
    if isinstance(refusal, PageError):
        return refusal
    (status,) = (status for kind, status in _STATUSES.items() if isinstance(refusal, kind))
    return PageError(status, _SEALED if isinstance(refusal, SealError) else wording.sentence(str(refusal)))

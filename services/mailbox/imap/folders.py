"""Decide which folders are synchronised: all of the user's own with readable mail except Trash, Spam and unsent mail. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schemas.accounts import Account
from schemas.identity import folder_id
from schemas.ledger import Folder
from services.mailbox.imap.answers import UNREADABLE_LINE, Listed
from services.mailbox.imap.folder_names import FolderRole, decode_name, role_by_name

_SPECIAL: dict[str, FolderRole] = {
    "\\inbox": "inbox",
    "\\sent": "sent",
    "\\archive": "archive",
    "\\all": "all",
    "\\drafts": "drafts",
    "\\templates": "templates",  # not registered, and in use
    "\\outbox": "outbox",
    "\\trash": "trash",
    "\\junk": "junk",
}
_UNREADABLE = frozenset({"\\noselect", "\\nonexistent", UNREADABLE_LINE})
_VIRTUAL = frozenset({"\\all", "\\flagged", "\\important"})
"""Views of mail in other folders (RFC 6154 section 2, RFC 8457)."""
_UNSENT: frozenset[FolderRole] = frozenset({"drafts", "templates", "outbox"})
_LEFT_OUT: frozenset[FolderRole] = frozenset(("trash", "junk", *_UNSENT))
NEVER = frozenset[str](("other-users", "shared", *_LEFT_OUT))
"""Reasons that the server's answer gives. A folder for which one starts to hold is left out from then on."""


def readable(entry: Listed) -> bool:
    """Whether a folder can hold mail itself, and not only other folders."""
    return not (_UNREADABLE & entry.attributes)


def plan_folders(account: Account, listed: Sequence[Listed], *, gmail: bool) -> list[Folder]:
    """Return a new ``Folder``, without cursor and anchor, for each that the server lists.

    Args:
        account: the owner; its rules take precedence.
        listed: the server's answer.
        gmail: whether the server has Gmail's labels; All Mail then has everything except Trash and Spam once.
    """
    all_mail = gmail and any("\\all" in entry.attributes for entry in listed if readable(entry))
    marked = {decode_name(entry.raw_name): role for entry in listed if (role := _special(entry))}
    found = {}
    for entry in listed:
        name = decode_name(entry.raw_name)
        role = _role(entry, name)
        reason = _reason(account, entry, name, role, all_mail=all_mail, marked=marked)
        identifier = folder_id(entry.raw_name)
        found[identifier] = Folder(
            account=account.id,
            id=identifier,
            raw_name=entry.raw_name,
            name=name,
            role=role,
            selected=reason is None,
            reason=reason,
        )
    return list(found.values())


def _special(entry: Listed) -> FolderRole | None:
    """Return the role that the server gives a folder."""
    return next((role for attribute, role in _SPECIAL.items() if attribute in entry.attributes), None)


def _role(entry: Listed, name: str) -> FolderRole:
    return _special(entry) or role_by_name(name, entry.delimiter)


def _reason(  # noqa: PLR0911 - one return per rule
    account: Account, entry: Listed, name: str, role: FolderRole, *, all_mail: bool, marked: Mapping[str, FolderRole]
) -> str | None:
    """Return why the folder is left out, as a stable code; None if it is synchronised."""
    if not readable(entry):
        return UNREADABLE_LINE if UNREADABLE_LINE in entry.attributes else "no-mail"
    if any(byte in entry.raw_name for byte in b"\0\r\n"):
        return "unusable-name"
    if entry.foreign:
        return entry.foreign
    if _named(name, account.folders.exclude, entry.delimiter):
        return "excluded-by-owner"
    above = _parent(name, entry.delimiter, marked)
    if _named(name, account.folders.include, entry.delimiter):
        # A name may mislead, as "Templates" for mail about templates; what the server marks as unsent is that.
        certain = marked.get(name) or (above if above in marked.values() else None)
        return certain if certain in _UNSENT else None
    if all_mail:
        if role == "all":
            return None
        return role if role in _LEFT_OUT else "in-all-mail"
    if role in _LEFT_OUT or above:
        return role if role in _LEFT_OUT else above
    return "virtual" if _VIRTUAL & entry.attributes else None


def _parent(name: str, delimiter: str | None, marked: Mapping[str, FolderRole]) -> FolderRole | None:
    """Return the role of the folder that a folder is inside of, if that is left out: it was deleted as a whole, for example."""
    if not delimiter:
        return None
    path = name.split(delimiter)
    above = [delimiter.join(path[:depth]) for depth in range(1, len(path))]
    roles = [marked.get(parent) or role_by_name(parent, delimiter) for parent in above]
    return next((role for role in roles if role in _LEFT_OUT), None)


def _named(name: str, rules: Iterable[str], delimiter: str | None) -> bool:
    """Whether a rule names the folder or one of its parents, by the decoded name, ignoring case."""
    own = name.casefold()
    return any(own == rule.casefold() or (delimiter and own.startswith(rule.casefold() + delimiter)) for rule in rules)


def primary(folders: Iterable[Folder]) -> Folder | None:
    """Return the folder where new mail arrives: the one to keep open."""
    order = ("inbox", "all", "user", "archive", "sent")
    selected = [folder for folder in folders if folder.selected]
    return min(
        selected, key=lambda folder: order.index(folder.role) if folder.role in order else len(order), default=None
    )

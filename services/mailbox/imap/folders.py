"""Decide which folders are synchronised: all with readable mail except Trash, Spam and Drafts. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from schemas.accounts import Account, Folder
from schemas.identity import folder_id
from services.mailbox.imap.answers import Listed
from services.mailbox.imap.folder_names import Role, decode_name, role_by_name

_SPECIAL: dict[str, Role] = {
    "\\inbox": "inbox",
    "\\sent": "sent",
    "\\archive": "archive",
    "\\all": "all",
    "\\drafts": "drafts",
    "\\trash": "trash",
    "\\junk": "junk",
}
_UNREADABLE = frozenset({"\\noselect", "\\nonexistent"})
_VIRTUAL = frozenset({"\\all", "\\flagged", "\\important"})
"""Views of mail in other folders (RFC 6154 section 2, RFC 8457)."""
_LEFT_OUT: frozenset[Role] = frozenset({"trash", "junk", "drafts"})


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
    found = {}
    for entry in listed:
        name = decode_name(entry.raw_name)
        role = _role(entry, name)
        reason = _reason(account, entry, name, role, all_mail=all_mail)
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


def _role(entry: Listed, name: str) -> Role:
    special = next((role for attribute, role in _SPECIAL.items() if attribute in entry.attributes), None)
    return special or role_by_name(name, entry.delimiter)


def _reason(  # noqa: PLR0911 - one return per rule
    account: Account, entry: Listed, name: str, role: Role, *, all_mail: bool
) -> str | None:
    """Return why the folder is left out, as a stable code; None if it is synchronised."""
    if not readable(entry):
        return "no-mail"
    if any(byte in entry.raw_name for byte in b"\0\r\n"):
        return "unusable-name"
    if _named(name, account.folders.exclude, entry.delimiter):
        return "excluded-by-owner"
    if _named(name, account.folders.include, entry.delimiter):
        return None
    if all_mail:
        if role == "all":
            return None
        return role if role in _LEFT_OUT else "in-all-mail"
    if role in _LEFT_OUT or _below_left_out(name, entry.delimiter):
        return role if role in _LEFT_OUT else "trash"
    return "virtual" if _VIRTUAL & entry.attributes else None


def _below_left_out(name: str, delimiter: str | None) -> bool:
    """Whether a folder is inside Trash, Spam or Drafts: it was deleted as a whole, for example."""
    if not delimiter:
        return False
    path = name.split(delimiter)
    return any(role_by_name(delimiter.join(path[:depth]), delimiter) in _LEFT_OUT for depth in range(1, len(path)))


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

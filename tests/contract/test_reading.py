"""One way to read mail: which modules may touch stored mail, and that every reader asks the guard."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAIL = {"emails", "links", "blob_files", "blob_chunks"}
"""Collections that hold mail, or link it to records."""
HANDLES = {"collections", "c", "self._c", "self._collections", "store._collections"}

TOUCHING: Mapping[str, str] = {
    "admin.attached_mail": "counts an account's mail for its owner",
    "core.collections": "defines them",
    "core.setup": "indexes",
    "core.migrations": "enqueues emails to be relinked: keys only",
    "mail.emails": "for the pipeline: the matcher stores and links",
    "mail.links": "for the pipeline",
    "mail.blobs": "for the pipeline: by hash only",
    "mail.blob_refs": "references, no content",
    "mail.deleted_emails": "keeps deleted emails until they can no longer be restored",
    "mail.blob_sweep": "deletes",
    "mail.orphaned_emails": "deletes",
    "ledger.ledger_matcher": "asks which emails on records a row's owner sent: keys only",
    "ledger.ledger_poller": "checks whether emails exist",
    "ledger.ledger": "finds copies of an account's emails by Message-ID: keys only",
    "admin.key_rotation": "gives emails the hash of their Message-ID by a new key: ids only",
    "access.copies": "participants, for the guard's own decision",
    "mail.joined_links": "follows threads from link to link: readers let the guard decide on them; or a holder's own mail",
    "readers.visible_lines": "reads for users, through the guard",
    "readers.candidates": "finds links for readers; every reader lets the guard decide on them",
    "readers.explaining": "reads for users, through the guard",
    "readers.reading": "reads for users, through the guard",
    "readers.email_search": "reads for users, through the guard",
    "crm.own_records": "counts the emails of a record that is to be deleted, for the operator: numbers only",
    "crm.summaries": "writes what every user may see into the CRM's documents",
    "core.colleagues": "checks whether any stored mail names an address",
    "admin.address_codes": "asks whether an account's own mail came through a list: yes or no, for its owner",
    "admin.aliases": "senders in an account's own Sent folders, for its owner",
    "ownership.handover": "finds the emails of a new owner that become private with what they take over: keys only",
    "admin.withdrawing": "finds the emails of a thread that a user holds, for this user: keys only",
    "admin.data_subjects": "finds what names an address, for a data subject: an administrator's request, audited",
}
"""Modules of the store that may touch these, and why. Add one only if it cannot use the guard."""

READERS: Mapping[str, str] = {
    "reading": "readers.reading",
    "email_search": "readers.email_search",
    "explaining": "readers.explaining",
    "suggesting": "readers.suggesting",
    "deleting": "readers.deleting",
    "record_search": "readers.record_search",
}
"""What users read by: attributes of the store, and their modules. ``record_search`` returns records, no mail."""
LINES = "readers.visible_lines"
"""What these readers are built on."""

OUTSIDE: Mapping[str, set[str]] = {
    "services.matcher": {"emails", "links", "blobs"},
    "services.parser": {"blobs"},
    "services.poller": {"blobs", "emails.ancestors"},
    "services.usecases.dead_letters": {"blobs"},
    "services.cli.company.privacy": {"blobs.stream"},
    "services.cli.mail.explain": {"emails.full_key"},
    "services.cli.mail.email_page": {"emails.full_key"},
}
"""Which packages outside the store may use which of these. The pipeline shows nothing to users. Operators handle dead letters, and
they and administrators may name any email by its id. An administrator's export for a data subject is audited."""


def touched(source: str) -> set[str]:
    """Return the collections of mail that a source accesses, by attribute or by name."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) if name in MAIL and ast.unparse(node.value) in HANDLES:
                found.add(name)
            case ast.Subscript(slice=ast.Constant(value="emails" | "links" | "blobs.files" | "blobs.chunks")) as item:
                if "database" in ast.unparse(item.value) or ast.unparse(item.value).endswith("_c"):
                    found.add(ast.unparse(item))
            case ast.Call(func=ast.Attribute(attr="get_collection")):
                found.add(ast.unparse(node))
            case ast.Call(func=ast.Name(id="getattr"), args=[of, *_]) if ast.unparse(of) in HANDLES:
                found.add(ast.unparse(node))
            case ast.Dict(keys=keys, values=values):
                # A join names its collection as a string.
                for key, value in zip(keys, values, strict=True):
                    joins = isinstance(key, ast.Constant) and key.value in ("from", "$unionWith", "coll")
                    if joins and isinstance(value, ast.Constant) and value.value in MAIL:
                        found.add(str(value.value))
    return found


def modules(folder: str) -> Iterator[tuple[str, Path]]:
    """Return the modules below a folder by name."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path


@pytest.mark.parametrize(
    ("module", "path"), list(modules("services/store")), ids=lambda one: one if isinstance(one, str) else ""
)
def test_only_these_modules_touch_stored_mail(module: str, path: Path) -> None:
    """Every module of the store that accesses emails, links or blobs is in the list above, with the reason."""
    name = module.removeprefix("services.store.")
    if name not in TOUCHING:
        assert touched(path.read_text(encoding="utf-8")) == set()


def test_the_list_has_no_superfluous_module() -> None:
    """Every listed module accesses mail."""
    sources = {
        name: (ROOT / f"services/store/{name.replace('.', '/')}.py").read_text(encoding="utf-8") for name in TOUCHING
    }
    assert {name for name, source in sources.items() if not touched(source)} <= {"core.collections"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("class A:\n    def __init__(self, collections): self._x = collections.emails", {"emails"}),
        ("async def f(self): return await self._c.links.find_one({})", {"links"}),
        ("def f(self): return self.database['emails']", {"self.database['emails']"}),
        ("x = {'$lookup': {'from': 'links', 'as': 'y'}}", {"links"}),
        ("x = getattr(collections, 'em' + 'ails')", {"getattr(collections, 'em' + 'ails')"}),
        ("def f(shown): return shown.emails, page.links", set()),
    ],
)
def test_the_check_finds_who_touches_mail(source: str, found: set[str]) -> None:
    """The check finds violations."""
    assert touched(source) == found


def used(source: str) -> set[str]:
    """Return what a source uses of ``store.emails``, ``store.links`` and ``store.blobs``, with the method if it names one."""
    found, inner = set(), set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Attribute(attr=subject) as of, attr=method) if subject in MAIL | {"blobs"}:
                if _is_store(of.value):
                    found.add(f"{subject}.{method}")
                    inner.add(of)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr in MAIL | {"blobs"} and _is_store(node.value):
            whole = f"{node.attr}."
            if not any(one.startswith(whole) for one in found):
                found.add(node.attr)  # passed on as a whole
        elif isinstance(node, ast.Attribute) and node.attr == "_collections":
            found.add("_collections")
    return found


def _is_store(node: ast.expr) -> bool:
    return ast.unparse(node).rpartition(".")[2] in ("store", "_store")


@pytest.mark.parametrize(
    ("module", "path"),
    [(module, path) for module, path in modules("services") if not module.startswith("services.store")],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_users_read_through_readers_only(module: str, path: Path) -> None:
    """Outside the store only the pipeline uses emails, links or blobs. Commands and pages use readers."""
    may = {
        one
        for package, names in OUTSIDE.items()
        if module == package or module.startswith(f"{package}.")
        for one in names
    }
    wrong = {
        one for one in used(path.read_text(encoding="utf-8")) if one not in may and one.partition(".")[0] not in may
    }
    assert wrong == set()


CONSOLE: Mapping[str, set[str]] = {
    "account_tokens": set(),  # passed on whole to what refreshes tokens
    "relay_refresh": set(),  # passed on whole to what sends mail
    "accounts": {
        "connected",
        "get",
        "get_all",
        "held_by",
        "of_ids",
        "request_resync",
        "save_aliases",
        "save_folder_rules",
        "set_state",
    },
    "aliases": {"candidates"},
    "audit": {"newest"},
    "address_proofs": {"is_another_users"},
    "colleagues": {"no_users"},
    "company": {"policy"},
    "dead_letters": {"count", "get", "newest"},
    "epochs": {"of"},
    "folders": {"of"},
    "groups": {"add", "change", "get", "get_all", "remove"},
    "previewing": {"account", "company", "opened_records"},
    "removal": {"counts", "disconnect", "purge"},
    "scim_tokens": {"is_valid"},
    "setup": set(),
    "sharing": {"set_account", "set_company"},
    "sign_ins": {"attempt", "end", "offer", "offered", "start", "use", "user_of", "was_ended"},
    "status": {"accounts"},
    "user_lifecycle": {"disable", "enable"},
    "pending_sign_ins": {"offer", "take"},
    "teams": {"owners"},
    "undoing": {"deleted", "restore"},
    "users": {"active", "get", "get_all"},
    "withdrawals": {"kinds"},
    "withdrawing": {"keep_private", "share_again"},
}
"""What web pages may use of the store beside readers. A dead letter's body, which ``dead_letters`` of the use cases returns, is mail."""


def asked(source: str) -> set[tuple[str, str]]:
    """Return (subject, method) of what a source uses of the store, and what it passes on as a whole."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Attribute(attr=subject) as of, attr=method) if _is_store(of.value):
                found.add((subject, method))
            case ast.Attribute(value=of, attr=subject) if _is_store(of) and subject not in {*CONSOLE, *READERS}:
                found.add((subject, ""))
            case ast.Attribute(value=ast.Name(id="letters"), attr="body_of"):
                found.add(("letters", "body_of"))
    return found


@pytest.mark.parametrize(
    ("module", "path"), list(modules("services/console")), ids=lambda one: one if isinstance(one, str) else ""
)
def test_pages_ask_nothing_that_is_not_guarded(module: str, path: Path) -> None:
    """A page reads mail and records through readers. Nothing else that it may use reveals mail content."""
    wrong = {
        one
        for one in asked(path.read_text(encoding="utf-8"))
        if one[0] not in READERS and one[1] not in CONSOLE.get(one[0], ())
    }
    assert wrong == set(), module


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("async def f(visit): await visit.store.records.find('x')", {("records", "find"), ("records", "")}),
        ("async def f(visit): await visit.console.store.blobs.get('x')", {("blobs", "get"), ("blobs", "")}),
        ("def f(visit): emails = visit.store.emails", {("emails", "")}),
        ("async def f(visit): await letters.body_of(letter, visit.store)", {("letters", "body_of")}),
        ("async def f(visit): await visit.store.reading.show(viewer, key)", {("reading", "show")}),
    ],
)
def test_the_check_finds_what_a_page_asks(source: str, found: set[tuple[str, str]]) -> None:
    """The check finds violations."""
    assert asked(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("async def f(session): await session.store.emails.get('x')", {"emails.get"}),
        ("async def f(self): return self._store.links.of_record(r)", {"links.of_record"}),
        ("def f(store): return helper(store.blobs)", {"blobs"}),
        ("def f(store): return store._collections", {"_collections"}),
        ("async def f(session): await session.store.reading.show('a', 'b')", set()),
        ("def f(page): return page.emails.count", set()),
    ],
)
def test_the_check_finds_who_reads_past_it(source: str, found: set[str]) -> None:
    """The check finds violations."""
    assert used(source) == found


def unguarded(sources: Mapping[str, str]) -> set[str]:
    """Return the public coroutines of the readers that do not ask the guard, directly or through another method."""
    bodies: dict[str, ast.AsyncFunctionDef] = {}
    for source in sources.values():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.AsyncFunctionDef):
                bodies[node.name] = node
    calls = {
        name: {ast.unparse(one.func) for one in ast.walk(body) if isinstance(one, ast.Call)}
        for name, body in bodies.items()
    }
    deciding = {name for name, names in calls.items() if "self._guard.decide" in names}
    asking = {name for name, names in calls.items() if "self._guard.viewer" in names}
    while True:
        more = {name for name, names in calls.items() if names & _called(deciding)} - deciding
        more_asking = {name for name, names in calls.items() if names & _called(asking)} - asking
        if not more and not more_asking:
            break
        deciding, asking = deciding | more, asking | more_asking
    return {name for name in bodies if not name.startswith("_") and name not in deciding & asking}


def _called(names: set[str]) -> set[str]:
    return {f"{of}.{name}" for of in ("self", "self._lines") for name in names}


def test_every_way_to_read_asks_the_guard() -> None:
    """Every public method of a reader looks up the viewer and lets the guard decide on the links."""
    sources = {
        name: (ROOT / f"services/store/{name.replace('.', '/')}.py").read_text(encoding="utf-8")
        for name in {LINES, "readers.threads", *READERS.values()} - {"readers.record_search"}
    }
    # These take links that the guard has decided on, or a user that a reader has looked up.
    assert unguarded(sources) == {"visible", "lines", "found", "in_scope", "around", "joined"}


def test_the_check_finds_what_does_not_ask_the_guard() -> None:
    """The check finds violations."""
    good = "class A:\n    async def a(self, v):\n        u = await self._guard.viewer(v)\n        return await self._b(u)\n"
    good += "    async def _b(self, u):\n        return await self._guard.decide(u, [])\n"
    bad = "class B:\n    async def c(self, v):\n        await self._guard.viewer(v)\n        return self._emails.find({})\n"
    assert unguarded({"one": good, "other": bad}) == {"c"}

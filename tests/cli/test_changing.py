"""Commands that change something, and how they refuse."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from schemas.accounts import AccountState
from schemas.sharing import Mode
from services.cli.terminal import output
from tests.cli.fixtures import ANNA, KIM, LUC, OFFER, Deployment


def account(deployment: Deployment) -> tuple[AccountState, Mode, bool]:
    """Return state and sharing mode of Anna's account, and whether a resync is requested."""
    found = deployment.run("account", "show", ANNA, "--json").json()
    return AccountState(found["state"]), Mode(found["sharing"]["mode"]), found["resync_requested"]


def test_users(empty: Deployment) -> None:
    """Users are added and listed; duplicates and invalid input are refused with advice."""
    assert empty.ok("user", "list") == "There are no users yet. Add one with `leadmail user add EMAIL`.\n"
    assert empty.ok("user", "add", "Anna@NW.example", "--name", "Anna", "--admin").startswith(
        "anna@nw.example added as an administrator.\n"
    )
    assert "anna@nw.example  Anna  yes" in empty.ok("user", "list")
    again = empty.run("user", "add", ANNA)
    assert (again.code, again.errors) == (1, "leadmail: there is a user anna@nw.example already.\n")
    assert empty.run("user", "add", "no address").code == 2


def test_pause_resume_resync(deployment: Deployment) -> None:
    """Each does what it says, and a resync of a paused account says that it waits."""
    deployment.ok("account", "pause", ANNA)
    assert account(deployment)[0] is AccountState.PAUSED
    assert "as soon as you resume it" in deployment.ok("account", "resync", ANNA)
    deployment.ok("account", "resume", ANNA)
    assert account(deployment) == (AccountState.ACTIVE, Mode.PUBLIC, True)


def test_sharing(deployment: Deployment) -> None:
    """The policy is shown, changed, and kept through other modes; invalid input is refused before anything changes."""
    assert deployment.ok("account", "sharing", ANNA) == "anna@nw.example: public.\n"
    told = deployment.ok("account", "sharing", ANNA, "--sharing", "custom", "--exclude-domain", "ACME.example")
    assert told == "anna@nw.example: custom, without acme.example.\n"
    deployment.ok("account", "sharing", ANNA, "--sharing", "private")
    assert deployment.ok("account", "sharing", ANNA, "--sharing", "custom") == told
    for wrong, why in (
        (("--exclude-domain", "co.uk"), "public suffix"),
        (("--exclude-domain", "not a domain"), "is not a domain name"),
        (("--sharing", "public", "--exclude-domain", "a.example"), "--exclude-domain goes with --sharing custom"),
    ):
        refused = deployment.run("account", "sharing", ANNA, *wrong)
        assert refused.code == 2
        assert why in refused.errors
    assert deployment.ok("account", "sharing", ANNA) == told
    assert "without any excluded domain" in deployment.ok("account", "sharing", ANNA, "--no-excluded-domains")


def test_company_sharing(deployment: Deployment) -> None:
    """Only an administrator changes it, and users cannot choose a mode that it forbids."""
    assert deployment.run("company", "sharing", "--exclude-domain", "law.example").code == 2
    refused = deployment.run("company", "sharing", "--exclude-domain", "law.example", "--by", LUC)
    assert "is not an administrator" in refused.errors
    deployment.ok("company", "sharing", "--exclude-domain", "law.example", "--by", ANNA)
    assert "law.example" in deployment.ok("company", "sharing")
    inconsistent = deployment.run("company", "sharing", "--allow-mode", "private", "--by", ANNA)
    assert (inconsistent.code, "--default-mode private" in inconsistent.errors) == (2, True)
    deployment.ok("company", "sharing", "--allow-mode", "private", "--default-mode", "private", "--by", ANNA)
    refused = deployment.run("account", "sharing", ANNA, "--sharing", "public")
    assert refused.errors == "leadmail: your company does not allow public: choose private.\n"
    assert "0 emails" in deployment.ok("emails", KIM, "--viewer", LUC)
    assert "never shared  no excluded domains" in deployment.ok(
        "company", "sharing", "--no-excluded-domains", "--by", ANNA
    )


def test_a_disabled_administrator_can_change_nothing(deployment: Deployment) -> None:
    """Administrator rights end while the user is disabled: nothing can be done in their name."""
    deployment.ok("user", "admin", LUC)
    deployment.ok("user", "disable", LUC)
    for words in (
        ("user", "admin", ANNA, "--revoke"),
        ("company", "sharing", "--exclude-domain", "law.example"),
        ("company", "domains", "--add", "acme.example"),
        ("privacy", "export", KIM),
        ("privacy", "erase", KIM, "--yes"),
    ):
        refused = deployment.run(*words, "--by", LUC)
        assert (refused.code, f"the user {LUC} is disabled" in refused.errors) == (1, True), words
    assert "no excluded domains" in deployment.ok("company", "sharing")


def test_folders(deployment: Deployment) -> None:
    """Rules are saved and request a new backfill; a name that the mailbox does not have gives a warning."""
    assert "Trash   no: trash" in deployment.ok("account", "folders", ANNA)
    assert "has no folder Nonsense" in deployment.ok(
        "account", "folders", ANNA, "--include", "Trash", "--exclude", "Nonsense"
    )
    assert deployment.run("account", "folders", ANNA, "--json").json()["include"] == ["Trash"]
    assert account(deployment)[2]
    deployment.ok("account", "folders", ANNA, "--by-rule")
    assert deployment.run("account", "folders", ANNA, "--json").json()["include"] == []
    assert deployment.run("account", "folders", ANNA, "--include", "A", "--exclude", "A").code == 2


def test_disconnect(deployment: Deployment) -> None:
    """Without a terminal to confirm at, it needs --yes. Then the mail stays, and the account cannot be changed any more."""
    asked = deployment.run("account", "remove", ANNA)
    assert asked.code == 2
    assert "2 copies of 2 emails on records; no one else that its owner can see has a copy of 2 of these" in asked.out
    assert account(deployment)[0] is AccountState.ACTIVE
    deployment.ok("account", "remove", ANNA, "--yes")
    assert "2 emails" in deployment.ok("emails", KIM, "--viewer", ANNA)
    for words in (
        ("pause",),
        ("resume",),
        ("resync",),
        ("test",),
        ("sharing", "--sharing", "private"),
        ("remove", "--yes"),
    ):
        refused = deployment.run("account", words[0], ANNA, *words[1:])
        assert refused.code == 1
        assert "is disconnected" in refused.errors


def test_purge(deployment: Deployment) -> None:
    """The account's mail is deleted with it."""
    deployment.ok("account", "remove", ANNA, "--purge", "--yes")
    assert "0 emails" in deployment.ok("emails", KIM, "--viewer", ANNA)
    assert deployment.run("email", "show", OFFER.key, "--viewer", ANNA).code == 1
    assert deployment.run("account", "show", ANNA).errors.startswith("leadmail: there is no account")


@pytest.mark.parametrize("kind", ["lead", "contact"])
def test_records(empty: Deployment, kind: str) -> None:
    """A record has several addresses, is found by each of them, and only as its own kind."""
    assert "There are no" in empty.ok(kind, "list")
    empty.ok(kind, "add", "Lea@Old.example", "lea@new.example", "--name", "Lea", "--company", "New", "--owner", ANNA)
    for name in ("lea@old.example", "lea@new.example"):
        assert "Lea   New      anna@nw.example  lea@old.example, lea@new.example" in empty.ok(kind, "show", name)
    other = "contact" if kind == "lead" else "lead"
    assert empty.run(other, "show", "lea@old.example").errors == f"leadmail: there is no {other} lea@old.example.\n"
    assert empty.run(kind, "add", "lea").code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("email,name\na@x.example,A\nb@x.example,B\n", "2 contacts added."),
        ("Name;E-Mail;Other emails;Company\nA;a@x.example;b@x.example c@x.example;X\n", "1 contact added."),
        ("\ufeffEmail Address\tFull Name\na@x.example\tA\n", "1 contact added."),
        ('email,name\n"a@x.example","Smith, ""Bob"""\n', "1 contact added."),
        ("email,email_verified\na@x.example,true\n", "1 contact added.\nNot used: 1 column (email_verified)."),
        ("email,name\na@x.example,A\n,nobody\n\n", "1 contact added; skipped 1 (no address)."),
        ('\r\n"Full\nname",email\r\nA,a@x.example\r\n', "1 contact added.\nNot used: 1 column (Full\nname)."),
        ("email\na@x.example\nA@X.example\n", "1 contact added; skipped 1 (an address already exists)."),
    ],
)
def test_import(empty: Deployment, tmp_path: Path, text: str, said: str) -> None:
    """Any usual delimiter, column name and column order works; skipped rows are reported."""
    file = tmp_path / "contacts.csv"
    file.write_text(text, encoding="utf-8")
    assert empty.ok("contact", "import", str(file)) == f"{said}\n"


def test_import_from_another_crm(deployment: Deployment) -> None:
    """Its columns are understood, from standard input too; a dry run adds nothing; an owner has to be a user."""
    rows = "First Name,Last Name,Company Name,E-mail,Owner Email,Phone\nBob,Smith,Acme,bob@acme.example,{},123\n"
    tried = deployment.ok("lead", "import", "-", "--dry-run", stdin=rows.format(ANNA))
    assert tried == "1 lead would be added.\nNot used: 1 column (Phone).\n"
    refused = deployment.run("lead", "import", "-", stdin=rows.format("Zoe"))
    assert (refused.code, refused.errors) == (
        1,
        "leadmail: the owners Zoe are no users: add them with `leadmail user add`. Nothing was imported.\n",
    )
    assert deployment.run("lead", "show", "bob@acme.example").code == 1
    assert "1 lead added." in deployment.ok("lead", "import", "-", stdin=rows.format(ANNA))
    assert f"Bob Smith  Acme     {ANNA}" in deployment.ok("lead", "show", "bob@acme.example")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            b"email\nok@x.example\nnot-an-address\n",
            "line 3: 'not-an-address' is not an e-mail address. Nothing was imported.",
        ),
        (b"name,telephone\nA,123\n", "has no column email"),
        (b"", "has no column email"),
        (b"email,name\na@x.example,Jos\xe9\n", "is not UTF-8 text"),
        (b'email\n"a@x.example' + b"x" * 200_000, "is not a CSV table"),
        (
            b'\nemail,name\na@x.example,"A\nb@x.example,B\n',
            "is not a CSV table: a quotation mark is not closed, near line 4",
        ),
    ],
)
def test_import_of_a_bad_file(empty: Deployment, tmp_path: Path, content: bytes, why: str) -> None:
    """One sentence names the line, and nothing is imported."""
    file = tmp_path / "bad.csv"
    file.write_bytes(content)
    refused = empty.run("contact", "import", str(file))
    assert refused.code == 1
    assert why in refused.errors
    assert "There are no contacts yet" in empty.ok("contact", "list")


def test_progress_of_an_import_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal a progress bar follows the import; to a pipe nothing is written."""
    for terminal in (True, False):
        shown = io.StringIO()
        monkeypatch.setattr(output, "errors", Console(file=shown, force_terminal=terminal, width=100))
        with output.progress("contacts", 4000) as told:
            told(1000, 4000)
            told(4000, 4000)
        assert ("4000/4000" in shown.getvalue()) is terminal


def test_keep_an_email_private(deployment: Deployment) -> None:
    """The holder hides their copies from colleagues, still sees them, and takes that back."""
    assert "2 emails" in deployment.ok("emails", KIM, "--viewer", LUC)
    assert deployment.ok("email", "private", OFFER.key, "--by", ANNA) == "1 email: kept private.\n"
    assert "1 email" in deployment.ok("emails", KIM, "--viewer", LUC)
    assert "2 emails" in deployment.ok("emails", KIM, "--viewer", ANNA)
    assert deployment.run("email", "private", OFFER.key, "--by", LUC).code == 1
    assert deployment.ok("email", "share", OFFER.key, "--by", ANNA) == "1 email: shared as your mailbox is.\n"
    assert "2 emails" in deployment.ok("emails", KIM, "--viewer", LUC)


def test_a_user_leaves(deployment: Deployment) -> None:
    """A disabled user sees nothing; a removed one is deleted, and their mailboxes go to the named user."""
    deployment.ok("user", "add", "boss@nw.example", "--admin")
    assert "is disabled" in deployment.ok("user", "disable", ANNA)
    assert account(deployment)[0] is AccountState.PAUSED
    assert deployment.run("emails", KIM, "--viewer", ANNA).code == 1
    deployment.ok("user", "enable", ANNA)
    assert "another account of the identity provider" in deployment.ok("user", "unbind", ANNA)
    assert "2 emails" in deployment.ok("emails", KIM, "--viewer", ANNA)
    assert deployment.run("user", "remove", ANNA).code == 2
    assert deployment.run("user", "remove", ANNA, "--purge", "--transfer-to", LUC, "--yes").code == 2
    assert (
        "1 mailbox (2 emails on records that they can see, 2 of them with no other known holder). The mailboxes are transferred"
        in deployment.ok("user", "remove", ANNA, "--transfer-to", LUC, "--yes")
    )
    assert deployment.run("account", "show", ANNA, "--json").json()["owner"] == LUC


def test_mailboxes_of_a_disabled_user_stay_paused(deployment: Deployment) -> None:
    """Neither a command to resume nor a new mailbox brings back what disabling stopped; lists say why it is paused."""
    deployment.ok("user", "add", "boss@nw.example", "--admin")
    deployment.ok("user", "disable", ANNA)
    assert "paused (owner-disabled)" in deployment.ok("account", "list")
    refused = deployment.run("account", "resume", ANNA)
    assert (refused.code, "user enable" in refused.errors) == (1, True)
    new = ("--email", "second@nw.example", "--sharing", "public", "--password-stdin")
    refused = deployment.run("account", "add", "--owner", ANNA, *new, stdin="secret\n")
    assert (refused.code, "is disabled" in refused.errors) == (1, True)
    deployment.ok("user", "enable", ANNA)
    assert "paused" not in deployment.ok("account", "list")
    deployment.ok("account", "pause", ANNA)
    deployment.ok("account", "resume", ANNA)

"""Requests of data subjects, and the log of who did what."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from services.cli.company.audit import moment_of
from services.cli.company.export_archive import file_name
from tests.cli.fixtures import ANNA, FILE, KIM, LUC, OFFER, RAW, World

BY = ("--by", ANNA)


def members(archive: Path) -> dict[str, bytes]:
    """Return what is in a ZIP file, by the last parts of the names."""
    with zipfile.ZipFile(archive) as found:
        return {name: found.read(name) for name in found.namelist()}


def test_export_as_one_file(world: World, tmp_path: Path) -> None:
    """Everything about the address is in it: the record, each email with raw form and attachments, the dead letter, the log's entries."""
    target = tmp_path / "kim.zip"
    told = world.ok("privacy", "export", "KIM@Customer.example", *BY, "--output", str(target))
    assert f"2 emails, 1 record, 1 dead letter and 0 log entries about {KIM} are in {target}." in told.replace(
        "\n", " "
    )
    assert target.stat().st_mode & 0o777 == 0o600
    found = members(target)
    about = json.loads(found["about.json"])
    assert about["address"] == KIM
    assert [record["name"] for record in about["records"]] == ["Kim Sund"]
    assert {email["email"] for email in about["emails"]} >= {OFFER.key}
    assert about["emails"][0]["copies"][0]["folder"] == "INBOX"
    assert "credentials" not in json.dumps(about)
    (folder,) = {name.rpartition("/attachments/")[0] for name in found if "/attachments/" in name}
    assert found[f"{folder}/attachments/1-offer.pdf"] == FILE
    assert json.loads(found[f"{folder}/email.json"])["key"] == OFFER.key
    assert found[f"{folder}/mail.eml"] == RAW.replace(b"Bcc: secret@x.example\r\n", b""), "a Bcc is somebody else's"
    assert found["dead-letters/00001.eml"] == RAW


def test_export_into_a_folder(world: World, tmp_path: Path) -> None:
    """A folder that has something in it, and a file that is there, are left alone."""
    target = tmp_path / "kim"
    world.ok("privacy", "export", KIM, *BY, "--output", str(target))
    assert (target / "about.json").stat().st_mode & 0o777 == 0o600
    assert len(list(target.glob("emails/*/mail.eml"))) == 2
    again = world.run("privacy", "export", KIM, *BY, "--output", str(target))
    assert (again.code, "is not empty" in again.errors) == (2, True)
    taken = tmp_path / "taken.zip"
    taken.write_bytes(b"mine")
    refused = world.run("privacy", "export", KIM, *BY, "--output", str(taken))
    assert (refused.code, taken.read_bytes()) == (2, b"mine")


def test_erase(world: World) -> None:
    """A dry run changes nothing; then it is asked for; then the page is empty and the person is told what is left to do elsewhere."""
    shown = world.ok("privacy", "erase", KIM, *BY, "--dry-run")
    assert "2 emails would be permanently deleted" in shown
    assert world.run("emails", KIM, "--viewer", ANNA, "--json").json()[0]["count"] == 2
    asked = world.run("privacy", "erase", KIM, *BY)
    assert (asked.code, "add --yes" in asked.errors) == (2, True)
    told = world.ok("privacy", "erase", KIM, *BY, "--yes")
    assert "still has this address in the CRM" in told
    assert world.run("emails", KIM, "--viewer", ANNA, "--json").json()[0]["count"] == 0
    assert world.run("dead-letters", "list", "--json").json() == []
    again = world.run("privacy", "erase", KIM, *BY, "--yes", "--json").json()
    assert again["emails"] == again["links"] == again["dead_letters"] == 0


@pytest.mark.parametrize("act", ["export", "erase"])
def test_only_an_administrator_may(world: World, tmp_path: Path, act: str) -> None:
    """A user who is none is refused by a sentence, a missing --by by the usage."""
    refused = world.run("privacy", act, KIM, "--by", LUC)
    assert (refused.code, "is not an administrator" in refused.errors) == (1, True)
    assert world.run("privacy", act, KIM).code == 2
    assert world.run("privacy", act, "no address", *BY).code == 2


def test_audit(world: World) -> None:
    """Every change of sharing, users, accounts and every use of power stands in it; it narrows by what, who, action and time."""
    world.ok("account", "sharing", ANNA, "--sharing", "private")
    world.ok("company", "sharing", "--exclude-domain", "law.example", *BY)
    world.ok("user", "admin", LUC, *BY)
    world.ok("user", "admin", LUC, *BY, "--revoke")
    world.ok("explain", KIM, OFFER.key, "--viewer", LUC)
    world.ok("privacy", "erase", KIM, *BY, "--yes")

    def actions(*narrowed: str) -> list[tuple[str, str]]:
        return [(entry["action"], entry["by"]) for entry in world.run("audit", *narrowed, "--json").json()]

    everything = actions()
    assert everything[:6] == [
        ("privacy.erase", ANNA),
        ("explain", "operator"),
        ("user.admin", ANNA),
        ("user.admin", ANNA),
        ("company.sharing", ANNA),
        ("account.sharing", "operator"),
    ]
    assert actions("--subject", KIM) == [("privacy.erase", ANNA)], "by its mark: the log does not name it"
    assert KIM not in world.run("audit", "--json").out
    assert ("account.sharing", "operator") in actions("--subject", ANNA)
    assert {by for _, by in actions("--by", ANNA)} == {ANNA}
    assert actions("--action", "company") == [("company.sharing", ANNA)]
    assert len(actions("--action", "user.admin")) == 2
    assert actions("--limit", "1") == everything[:1]
    assert actions("--since", "1h") == everything
    assert actions("--since", "2999-01-01") == []
    assert "before" in world.ok("audit", "--action", "account.sharing")
    assert world.run("audit", "--since", "yesterday").code == 2


def test_user_admin_is_for_administrators(world: World) -> None:
    """Who is none gives nobody power; whoever it is has to be there."""
    refused = world.run("user", "admin", LUC, "--by", LUC)
    assert (refused.code, "is not an administrator" in refused.errors) == (1, True)
    assert world.run("user", "admin", "nobody@x.example").code == 1
    users = {user["email"]: user["admin"] for user in world.run("user", "list", "--json").json()}
    assert users == {ANNA: True, LUC: False}


def test_moments() -> None:
    """A date, a date with a time, and how long ago; anything else ends the command."""
    present = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert moment_of("90m", now=present) == present - timedelta(minutes=90)
    assert moment_of("7d", now=present) == present - timedelta(days=7)
    assert moment_of("2026-11-01T09:30+00:00") == datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
    with pytest.raises((SystemExit, typer.Exit)):
        moment_of("soon")


def test_names_of_files_lead_nowhere() -> None:
    """What came with a mail is a plain name within its folder, short enough for any file system."""
    assert file_name(1, "../../etc/passwd") == "1-_.._etc_passwd"
    assert file_name(2, "a\\b:c") == "2-a_b_c"
    assert file_name(3, "..") == "3-file"
    assert len(file_name(4, "ü" * 300).encode()) < 255

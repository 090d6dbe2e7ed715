"""Requests of data subjects, and the audit log."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.company.audit import moment_of
from services.cli.company.export_archive import file_name
from tests.cli.fixtures import ANNA, FILE, KIM, LUC, OFFER, RAW, Deployment

BY = ("--by", ANNA)


def members(archive: Path) -> dict[str, bytes]:
    """Return what is in a ZIP file, by the last parts of the names."""
    with zipfile.ZipFile(archive) as found:
        return {name: found.read(name) for name in found.namelist()}


def test_export_as_one_file(deployment: Deployment, tmp_path: Path) -> None:
    """It has everything about the address: record, emails with raw form and attachments, dead letter and audit entries."""
    target = tmp_path / "kim.zip"
    told = deployment.ok("privacy", "export", "KIM@Customer.example", *BY, "--output", str(target))
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


def test_export_to_standard_output(deployment: Deployment) -> None:
    """A container without a folder to write to hands out the same archive; what it says about it does not get into it."""
    asked = ["privacy", "export", KIM, *BY, "--output", "-"]
    done = CliRunner().invoke(app, asked, env=deployment.environment)
    assert done.exit_code == 0, done.stderr
    with zipfile.ZipFile(io.BytesIO(done.stdout_bytes)) as found:
        assert json.loads(found.read("about.json"))["address"] == KIM
        assert found.testzip() is None
    assert "are in standard output" in done.stderr.replace("\n", " ")


def test_export_into_a_folder(deployment: Deployment, tmp_path: Path) -> None:
    """It overwrites neither a folder with content nor an existing file."""
    target = tmp_path / "kim"
    deployment.ok("privacy", "export", KIM, *BY, "--output", str(target))
    assert (target / "about.json").stat().st_mode & 0o777 == 0o600
    assert len(list(target.glob("emails/*/mail.eml"))) == 2
    again = deployment.run("privacy", "export", KIM, *BY, "--output", str(target))
    assert (again.code, "is not empty" in again.errors) == (2, True)
    taken = tmp_path / "taken.zip"
    taken.write_bytes(b"mine")
    refused = deployment.run("privacy", "export", KIM, *BY, "--output", str(taken))
    assert (refused.code, taken.read_bytes()) == (2, b"mine")


def test_export_has_deleted_mail_that_is_still_kept(deployment: Deployment, tmp_path: Path) -> None:
    """What can be restored is stored, so the person gets it, marked as deleted. An erasure takes it, and the export with it."""
    deployment.ok("email", "delete", OFFER.key, "--by", ANNA, "--yes")
    target = tmp_path / "kim"
    told = deployment.ok("privacy", "export", KIM, *BY, "--output", str(target))
    assert "2 emails" in told
    assert "Deleted in the CRM, but still kept: 1 email of these" in told.replace("\n", " ")
    about = {one["email"]: one for one in json.loads((target / "about.json").read_bytes())["emails"]}
    assert [key for key, one in about.items() if one["deleted_at"]] == [OFFER.key]
    assert about[OFFER.key]["deleted_at"] < about[OFFER.key]["kept_until"]
    assert about[OFFER.key]["roles"] == ["from"]
    (folder,) = [path.parent for path in target.glob("emails/*/email.json") if OFFER.key in path.read_text()]
    assert (folder / "mail.eml").read_bytes() == RAW.replace(b"Bcc: secret@x.example\r\n", b"")
    assert (folder / "attachments/1-offer.pdf").read_bytes() == FILE
    deployment.ok("privacy", "erase", KIM, *BY, "--yes")
    deployment.ok("privacy", "export", KIM, *BY, "--output", str(tmp_path / "after"))
    assert json.loads((tmp_path / "after/about.json").read_bytes())["emails"] == []


def test_erase(deployment: Deployment) -> None:
    """A dry run changes nothing. Then it asks, the page is empty, and the output says what is left to do elsewhere."""
    shown = deployment.ok("privacy", "erase", KIM, *BY, "--dry-run")
    assert "2 emails would be permanently deleted" in shown
    assert deployment.run("emails", KIM, "--viewer", ANNA, "--json").json()[0]["count"] == 2
    asked = deployment.run("privacy", "erase", KIM, *BY)
    assert (asked.code, "add --yes" in asked.errors) == (2, True)
    told = deployment.ok("privacy", "erase", KIM, *BY, "--yes")
    assert "still has this address in the CRM" in told
    assert deployment.run("emails", KIM, "--viewer", ANNA, "--json").json()[0]["count"] == 0
    assert deployment.run("dead-letters", "list", "--json").json() == []
    again = deployment.run("privacy", "erase", KIM, *BY, "--yes", "--json").json()
    assert again["emails"] == again["links"] == again["dead_letters"] == 0


@pytest.mark.parametrize("act", ["export", "erase"])
def test_only_an_administrator_may(deployment: Deployment, tmp_path: Path, act: str) -> None:
    """Other users are refused with one sentence; a missing --by is a usage error."""
    refused = deployment.run("privacy", act, KIM, "--by", LUC)
    assert (refused.code, "is not an administrator" in refused.errors) == (1, True)
    assert deployment.run("privacy", act, KIM).code == 2
    assert deployment.run("privacy", act, "no address", *BY).code == 2


def test_audit(deployment: Deployment) -> None:
    """It has every change of sharing, users and accounts and every privileged action, and filters by subject, actor, action and time."""
    deployment.ok("account", "sharing", ANNA, "--sharing", "private")
    deployment.ok("company", "sharing", "--exclude-domain", "law.example", *BY)
    deployment.ok("user", "admin", LUC, *BY)
    deployment.ok("user", "admin", LUC, *BY, "--revoke")
    deployment.ok("explain", KIM, OFFER.key, "--viewer", LUC)
    deployment.ok("privacy", "erase", KIM, *BY, "--yes")

    def actions(*narrowed: str) -> list[tuple[str, str]]:
        return [(entry["action"], entry["by"]) for entry in deployment.run("audit", *narrowed, "--json").json()]

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
    assert KIM not in deployment.run("audit", "--json").out
    assert ("account.sharing", "operator") in actions("--subject", ANNA)
    assert {by for _, by in actions("--by", ANNA)} == {ANNA}
    assert actions("--action", "company") == [("company.sharing", ANNA)]
    assert len(actions("--action", "user.admin")) == 2
    assert actions("--limit", "1") == everything[:1]
    assert actions("--since", "1h") == everything
    assert actions("--since", "2999-01-01") == []
    assert "before" in deployment.ok("audit", "--action", "account.sharing")
    assert deployment.run("audit", "--since", "yesterday").code == 2


def test_user_admin_is_for_administrators(deployment: Deployment) -> None:
    """Only an administrator makes administrators, and only of existing users."""
    refused = deployment.run("user", "admin", LUC, "--by", LUC)
    assert (refused.code, "is not an administrator" in refused.errors) == (1, True)
    assert deployment.run("user", "admin", "nobody@x.example").code == 1
    users = {user["email"]: user["admin"] for user in deployment.run("user", "list", "--json").json()}
    assert users == {ANNA: True, LUC: False}


def test_moments() -> None:
    """A date, a date with a time, or an age; anything else ends the command with an error."""
    present = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert moment_of("90m", now=present) == present - timedelta(minutes=90)
    assert moment_of("7d", now=present) == present - timedelta(days=7)
    assert moment_of("2026-11-01T09:30+00:00") == datetime(2026, 11, 1, 9, 30, tzinfo=UTC)
    with pytest.raises((SystemExit, typer.Exit)):
        moment_of("soon")


def test_names_of_files_lead_nowhere() -> None:
    """A name from a mail becomes a plain name within its folder, short enough for any file system."""
    assert file_name(1, "../../etc/passwd") == "1-_.._etc_passwd"
    assert file_name(2, "a\\b:c") == "2-a_b_c"
    assert file_name(3, "..") == "3-file"
    assert len(file_name(4, "ü" * 300).encode()) < 255

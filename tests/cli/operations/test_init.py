"""``leadmail init`` writes settings and a secret key once. No servers."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.cli.init import KEY, SETTINGS
from services.runtime.environment import decode_key

GIVEN = ("--rabbitmq-url", "amqp://u:p'w@host/vhost", "--mongo-url", "mongodb://host/?replicaSet=rs0")
OTHERS = ("--smtp-url", "smtp://u:p@host:587", "--mail-from", "Leadmail <leadmail@example.com>")


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without settings; what the command sets is forgotten."""
    before = {name: value for name, value in os.environ.items() if not name.startswith("LEADMAIL_")}
    monkeypatch.setattr(os, "environ", before)


def init(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the command and return its code and what it says."""
    done = CliRunner().invoke(app, ["init", "--folder", str(folder), *arguments])
    return done.exit_code, " ".join(done.output.split())


def test_a_shell_reads_what_was_written(tmp_path: Path) -> None:
    """Both files are for their owner only; a shell that reads the settings has all of them, quotes included."""
    code, said = init(tmp_path, *GIVEN, *OTHERS)
    assert code == 0, said
    assert "keep a copy" in said
    assert decode_key((tmp_path / KEY).read_text())
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in (KEY, SETTINGS)} == {0o600}
    shown = subprocess.run(
        ["sh", "-c", f'. "{tmp_path}/{SETTINGS}"; echo "$LEADMAIL_RABBITMQ_URL $LEADMAIL_SECRET_KEY_FILE"'],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == f"amqp://u:p'w@host/vhost {tmp_path / KEY}\n"


def test_there_is_never_a_second_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Existing settings and keys stay; a key in the environment is not passed over; wrong settings write nothing."""
    assert init(tmp_path, "--rabbitmq-url", "http://host", *GIVEN[2:], *OTHERS)[0] == 2
    assert not list(tmp_path.iterdir())
    assert init(tmp_path, *GIVEN, *OTHERS)[0] == 0
    key = (tmp_path / KEY).read_text()
    code, said = init(tmp_path, *GIVEN, *OTHERS)
    assert (code, "nothing was written" in said) == (1, True)
    (tmp_path / SETTINGS).unlink()
    assert init(tmp_path, *GIVEN, *OTHERS)[0] == 0
    assert (tmp_path / KEY).read_text() == key
    monkeypatch.delitem(os.environ, "LEADMAIL_SECRET_KEY_FILE")
    monkeypatch.setitem(os.environ, "LEADMAIL_SECRET_KEY", key)
    other = tmp_path / "other"
    other.mkdir()
    code, said = init(other, *GIVEN, *OTHERS)
    assert (code, list(other.iterdir())) == (1, [])
    assert "a second one would open no mailbox" in said

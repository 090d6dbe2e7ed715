"""Wrong values of settings, arguments, options and files: what is said names them in words for people, not in those of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from services.runtime.environment import SettingsError, variable
from services.settings import PROCESSES
from tests.cli.fixtures import ANNA, Deployment
from tools.commands.document import commands

FOREIGN = re.compile(
    r"validation|input should|unable to|traceback|pydantic|errno|codec|object at|instance of|pattern|unexpected|<class"
    r"|\w+(?<!Leadmail)(Error|Exception)\b|\b(NoneType|dict|tuple|str|int|float|bool|boolean|isoformat|strptime|regex|bson|ObjectId)\b",
    re.IGNORECASE,
)
"""Words of Python, its libraries and drivers."""
VALUES = ("", "x", "-1", "1.5", "nan", "9" * 40, "a@b@c", "2020-13-45", "http://[", "{", "\u00e9 \u202e")
RIGHT = {
    "rabbitmq_url": "amqp://host",
    "mongo_url": "mongodb://host/?replicaSet=rs0",
    "secret_key": "a2" * 32,
    "smtp_url": "smtp://host",
    "mail_from": "leadmail@firm.example",
    "console_url": "https://host",
}
FILES = {
    "empty.csv": b"",
    "binary.csv": b"\x00\xff\xfe\x80",
    "no-column.csv": b"x,y\n1,2\n",
    "no-address.csv": b"email,owner\nnobody,nobody\n",
    "open-quote.csv": b'email,name\na@x.example,"open\n',
    "strange.csv": b"email,sharing,host,app-only\na@x.example,x,http://[,perhaps\n",
}
ENDLESS = {"run", "init"}
"""These start processes or write files: ``test_run``, ``test_init``."""


@pytest.mark.parametrize("process", PROCESSES)
def test_settings(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting of every process, with every wrong value that it does not take."""
    settings, refusals = PROCESSES[process], []
    for name, value in RIGHT.items():
        monkeypatch.setenv(variable(name), value)
    for name in settings.model_fields:
        with monkeypatch.context() as one:
            for value in VALUES:
                one.setenv(variable(name), value)
                with suppress(SettingsError):
                    settings.read()
                    continue
                with pytest.raises(SettingsError) as refused:
                    settings.read()
                refusals.append(str(refused.value))
    assert len(refusals) > len(settings.model_fields)
    assert [text for text in refusals if FOREIGN.search(text) or not text.startswith("LEADMAIL_")] == []


def wrong_calls(command: Any, files: Path) -> Iterator[list[str]]:
    """Iterate over calls of a command with one wrong value each. Flags are left out: they confirm, or never end."""
    known = {"email": ANNA, "viewer": ANNA}
    files_of = [str(files / name) for name in (*FILES, "missing.csv", ".")]
    valued = [one for one in command.params if not getattr(one, "is_flag", False) and one.name != "help"]
    for wrong in valued:
        for value in files_of if "file" in (one_name := str(wrong.name)) or one_name == "path" else VALUES:
            call: list[str] = []
            for one in valued:
                if one is wrong or one.required:
                    given = value if one is wrong else known.get(str(one.name), ANNA)
                    call += ["--", given] if one.param_type_name == "argument" and one is wrong else []
                    if one.param_type_name != "argument":
                        call = [one.opts[-1], given, *call]
                    elif one is not wrong:
                        call.append(given)
            yield call


@pytest.mark.timeout(600)
def test_arguments_and_options(deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command, with one wrong value at a time. None ends with an error that it did not expect."""
    monkeypatch.chdir(tmp_path)  # a wrong name of a folder is a folder to write into
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    refusals: dict[str, str] = {}
    for words, command in commands():
        for call in wrong_calls(command, tmp_path) if words not in ENDLESS else ():
            done = deployment.run(*words.split(), *call, stdin="")
            if done.code:
                # In a box, a long sentence is broken into lines.
                refusals[" ".join(done.errors.replace("\u2502", "").split())] = f"{words} {call}"
    assert len(refusals) > 100
    assert {
        text[-400:]: call for text, call in refusals.items() if FOREIGN.search(text.replace(str(tmp_path), ""))
    } == {}

"""Settings from the environment and from files, and the errors for missing and wrong ones."""

from __future__ import annotations

import base64
import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from services.runtime.environment import PREFIX, SettingsError, decode_key, unknown_variables, variable
from services.runtime.settings import known_settings
from services.settings import PROCESSES, NotifierSettings, ParserSettings, PollerSettings
from tools import configuration

KEY = bytes(range(32))
COMPLETE = {
    "LEADMAIL_RABBITMQ_URL": "amqp://u:p@host/v",
    "LEADMAIL_MONGO_URL": "mongodb://host/?replicaSet=rs0",
    "LEADMAIL_SECRET_KEY": base64.b64encode(KEY).decode(),
    "LEADMAIL_SMTP_URL": "smtp://host:587",
    "LEADMAIL_MAIL_FROM": "Leadmail <l@example.com>",
    "LEADMAIL_CONSOLE_URL": "https://leadmail.example.com",
}


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with every required setting and no other of ours."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_defaults(variables: pytest.MonkeyPatch) -> None:
    """A setting with a default may be left out; each process has its own name."""
    settings = NotifierSettings.read()
    assert (settings.mongo_database, settings.crm_database) == ("leadmail", "crm")
    assert settings.crm_address_fields == ("email", "emails", "email_addresses")
    assert PollerSettings.read().max_message_bytes == 50 * 1024 * 1024
    assert (settings.tracing_url.get_secret_value(), settings.tracing_share) == ("", 1.0)
    assert settings.instance != NotifierSettings.read().instance


def test_values(variables: pytest.MonkeyPatch) -> None:
    """Lists, networks, keys and switches are parsed from text."""
    variables.setenv("LEADMAIL_ALLOW_NETWORKS", "10.0.0.0/8, ::1/128")
    variables.setenv("LEADMAIL_ALLOW_PLAINTEXT", "true")
    variables.setenv("LEADMAIL_CRM_ADDRESS_FIELDS", "mail , contact.mails")
    variables.setenv("LEADMAIL_CRM_NAME_FIELDS", "name; first,last")
    variables.setenv("LEADMAIL_SECRET_KEYS_OLD", f"{KEY.hex()},{base64.urlsafe_b64encode(KEY).decode()}")
    settings = PollerSettings.read()
    assert settings.allow_networks == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert settings.allow_plaintext is True
    assert settings.crm_address_fields == ("mail", "contact.mails")
    assert settings.crm_name_fields == ("name", "first,last")
    assert settings.secret_key.get_secret_value() == KEY
    assert [key.get_secret_value() for key in settings.secret_keys_old] == [KEY, KEY]


def test_files(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each variable may name a file with the value; a line break at its end is ignored."""
    path = tmp_path / "key"
    path.write_text(KEY.hex() + "\n")
    variables.delenv("LEADMAIL_SECRET_KEY")
    variables.setenv("LEADMAIL_SECRET_KEY_FILE", str(path))
    assert PollerSettings.read().secret_key.get_secret_value() == KEY


def test_earlier_keys_may_follow_in_the_same_file(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The current key is on the first line, earlier ones on the next, before those of ``LEADMAIL_SECRET_KEYS_OLD``."""
    keys = [bytes([number]) * 32 for number in range(4)]
    path = tmp_path / "key"
    path.write_text("".join(f"{base64.b64encode(key).decode()}\n" for key in keys[:3]))
    variables.delenv("LEADMAIL_SECRET_KEY")
    variables.setenv("LEADMAIL_SECRET_KEY_FILE", str(path))
    settings = PollerSettings.read()
    assert settings.secret_key.get_secret_value() == keys[0]
    assert [key.get_secret_value() for key in settings.secret_keys_old] == keys[1:3]
    variables.setenv("LEADMAIL_SECRET_KEYS_OLD", keys[3].hex())
    assert [key.get_secret_value() for key in PollerSettings.read().secret_keys_old] == keys[1:]
    path.write_text(f"{KEY.hex()}\nhunter2\n")
    with pytest.raises(SettingsError, match="32 bytes"):
        PollerSettings.read()


@pytest.mark.parametrize("process", list(PROCESSES))
def test_a_missing_setting_is_named(variables: pytest.MonkeyPatch, process: str) -> None:
    """A process that lacks a required setting exits with one sentence that names it; a process that does not require it starts."""
    for needed in PROCESSES[process].required:
        name = variable(needed)
        variables.delenv(name)
        with pytest.raises(SystemExit) as caught:
            PROCESSES[process].load()
        text = str(caught.value)
        assert text.startswith(f"leadmail: {name} is not set: give ")
        assert "\n" not in text
        for other in PROCESSES.values():
            if needed not in other.required:
                assert other.read()
        variables.setenv(name, COMPLETE[name])


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("LEADMAIL_HTTP_PORT", "http", "a whole number"),
        ("LEADMAIL_HTTP_PORT", "70000", "at most 65535"),
        ("LEADMAIL_POLL_SECONDS", "0", "more than 0)"),
        ("LEADMAIL_LOG_LEVEL", "loud", "debug, info, warning or error"),
        ("LEADMAIL_ALLOW_NETWORKS", "10.0.0.1/8", "network"),
        ("LEADMAIL_ALLOW_PLAINTEXT", "perhaps", "true or false"),
        ("LEADMAIL_SECRET_KEY", "hunter2", "32 bytes"),
        ("LEADMAIL_SECRET_KEYS_OLD", "hunter2", "32 bytes"),
        ("LEADMAIL_CRM_ADDRESS_FIELDS", " , ", "it is empty"),
        ("LEADMAIL_TRACING_URL", "hunter2:4318", "http://"),
        ("LEADMAIL_TRACING_URL", "grpc://hunter2:4317", "http://"),
        ("LEADMAIL_TRACING_URL", "http://:4318", "http://"),
        ("LEADMAIL_TRACING_URL", "http://collector:port", "http://"),
        ("LEADMAIL_TRACING_URL", "https://collector/?token=hunter2", "without a query"),
        ("LEADMAIL_TRACING_SHARE", "1.01", "at most 1)"),
        ("LEADMAIL_TRACING_SHARE", "-0.1", "at least 0)"),
        ("LEADMAIL_TRACING_SHARE", "10%", "a number"),
        ("LEADMAIL_TRACING_SHARE", "nan", "0"),
    ],
)
def test_a_wrong_setting_is_named(variables: pytest.MonkeyPatch, name: str, value: str, why: str) -> None:
    """A wrong value ends the process with one sentence that names the variable and what to give, without the value."""
    variables.setenv(name, value)
    reader = next(each for each in PROCESSES.values() if name in map(variable, each.model_fields))
    with pytest.raises(SystemExit) as caught:
        reader.load()
    text = str(caught.value)
    assert text.startswith(f"leadmail: {name} is wrong (")
    assert why in text
    assert ": give " in text
    assert "hunter2" not in text
    assert "\n" not in text


def test_unreadable_file_is_named(variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that cannot be read, and a value that is given twice, are reported."""
    variables.setenv("LEADMAIL_MAIL_FROM_FILE", str(tmp_path / "absent"))
    with pytest.raises(SettingsError, match="LEADMAIL_MAIL_FROM and LEADMAIL_MAIL_FROM_FILE are both set"):
        NotifierSettings.read()
    variables.delenv("LEADMAIL_MAIL_FROM")
    with pytest.raises(SettingsError, match=r"LEADMAIL_MAIL_FROM_FILE names .*absent.*No such file"):
        NotifierSettings.read()


def test_empty_counts_as_unset(variables: pytest.MonkeyPatch) -> None:
    """An empty variable, as compose files produce it, counts as not set."""
    variables.setenv("LEADMAIL_HTTP_PORT", "")
    variables.setenv("LEADMAIL_MONGO_DATABASE", "")
    assert (ParserSettings.read().http_port, ParserSettings.read().mongo_database) == (0, "leadmail")


def test_misspelt_variables_are_noticed() -> None:
    """A variable with our prefix that is no setting is reported with the most similar setting; a ..._FILE is a setting."""
    environ = {"LEADMAIL_MONGO_ULR": "x", "LEADMAIL_WEATHER": "x", "LEADMAIL_SMTP_URL_FILE": "x", "PATH": "x"}
    assert unknown_variables(known_settings(), environ) == {
        "LEADMAIL_MONGO_ULR": "LEADMAIL_MONGO_URL",
        "LEADMAIL_WEATHER": "",
    }


def test_secrets_are_not_shown(variables: pytest.MonkeyPatch) -> None:
    """Printing the settings shows neither passwords nor keys."""
    text = repr(PollerSettings.read())
    assert "u:p@host" not in text
    assert COMPLETE["LEADMAIL_SECRET_KEY"] not in text


def test_page_is_up_to_date() -> None:
    """``docs/configuration.md`` has every setting as the class describes it."""
    text = configuration.PAGE.read_text(encoding="utf-8")
    assert configuration.page(text) == text, "run `python -m tools.configuration --write`"
    assert all(f"`{variable(name)}`" in text for name in known_settings())


def test_every_setting_is_described() -> None:
    """Each setting says what to give, and the page has the settings of every class."""
    assert set(known_settings()) == set(configuration.settings())
    assert [name for name, field in configuration.settings().items() if not field.description] == []


def test_page_keeps_what_people_wrote() -> None:
    """Text around the table is kept when the table is updated."""
    old = f"# Title\n\nwords\n{configuration.BEGIN}\nstale\n{configuration.END}\nmore words\n"
    new = configuration.page(old)
    assert new.startswith("# Title\n\nwords\n")
    assert new.endswith("\nmore words\n")
    assert "stale" not in new
    assert configuration.page(new) == new


def test_a_secret_is_read_in_hex_and_base64() -> None:
    """64 hex digits, base64 and URL-safe base64 of the same bytes are the same key, apart from surrounding spaces."""
    secret = bytes(range(224, 256))
    forms = (
        secret.hex(),
        secret.hex().upper(),
        base64.b64encode(secret).decode(),
        f" {base64.urlsafe_b64encode(secret).decode()}\n",
    )
    assert {decode_key(form).get_secret_value() for form in forms} == {secret}


@pytest.mark.parametrize(
    "text",
    ["", "changeme", "ab" * 31, "zz" * 32, base64.b64encode(b"x" * 31).decode(), "hunter2-" * 4],
)
def test_a_wrong_secret_says_how_to_make_one(text: str) -> None:
    """What is not 32 bytes is refused with the command to run, and is not repeated."""
    with pytest.raises(ValueError, match="openssl rand") as wrong:
        decode_key(text)
    assert not text or text not in str(wrong.value)

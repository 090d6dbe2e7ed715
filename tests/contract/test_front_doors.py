"""Packages whose names load their modules when they are first used. No servers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from services.front_door import front_door
from tests.contract.test_dependencies import PACKAGES, ROOT, imports

LAZY = sorted(
    name
    for name in PACKAGES
    if "front_door(" in ROOT.joinpath(*name.split("."), "__init__.py").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", LAZY)
def test_a_front_door_is_whole(name: str) -> None:
    """Each name that it offers is loaded when it is used, from the module that the type checker sees."""
    package = import_module(name)
    for offered in package.__all__:
        assert getattr(package, offered) is not None, offered
    source = Path(str(package.__file__)).read_text(encoding="utf-8")
    seen = {each.rpartition(".")[::2] for each in imports(source) if each.startswith(f"{name}.")}
    assert {(home, offered) for home, names in package._HOMES.items() for offered in names} == seen
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = package.no_such_name


def test_the_packages_that_many_import_have_one() -> None:
    """Whoever needs one name of these would load all their modules otherwise."""
    assert {"services.amqp", "services.mailbox.connection", "services.store", "services.wording"} <= set(LAZY)


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was loaded stays in the package: later uses cost what an attribute costs."""
    import services.wording  # noqa: PLC0415

    monkeypatch.delitem(vars(services.wording), "plural", raising=False)
    load = front_door("services.wording", {"services.wording.values": ("plural",)})
    loaded = load("plural")
    assert vars(services.wording)["plural"] is loaded

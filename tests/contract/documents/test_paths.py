"""Every path, module, make target and link that a page names exists, so that a rename cannot leave a page behind. No servers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", ".github/**/*.md", ".github/**/*.yml")
    for path in ROOT.glob(pattern)
)
OURS = ("schemas", "services", "testbed", "tools", "deploy", "docs", "tests", ".github", ".ci")
FILE = re.compile(r"[\w.-]+\.(py|md|toml|ya?ml|json|html|lock|txt|js|sh)")
"""A file that is named without its folder, such as ``effects.py`` after a path in the same folder."""
MADE = {"settings.env", "about.json"}
"""What a user writes, or a run."""
KUBERNETES = re.compile(r"deploy/(poller|parser|matcher|notifier)")
"""Resources, for kubectl."""


def code(page: str) -> Iterator[str]:
    """Return the words of a page's code: spans and blocks."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE))
    for piece in (*blocks, *spans):
        yield from piece.split()


@cache
def ignored() -> tuple[str, ...]:
    """Return the paths that git ignores: they are made by using the repository."""
    return tuple(line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines() if line)


@cache
def file_names() -> frozenset[str]:
    """Return the names of all files of the repository."""
    return frozenset(path.name for top in OURS for path in ROOT.joinpath(top).rglob("*")) | {
        path.name for path in ROOT.iterdir()
    }


def wrong_paths(words: Iterator[str]) -> list[str]:
    """Return the paths among words that are not in the repository."""
    found = []
    for word in words:
        path = word.strip("'\",;:()").removeprefix("./").partition("::")[0].partition("=")[2 if "T=" in word else 0]
        top, slash, _ = path.partition("/")
        if path.startswith(ignored()) or path in MADE or KUBERNETES.fullmatch(path):
            continue
        if slash and top in OURS and not re.search(r"[<>…{$]", path):
            if not list(ROOT.glob(path.rstrip("/."))):
                found.append(path)
        elif FILE.fullmatch(path) and path not in file_names():
            found.append(path)
    return found


def wrong_modules(text: str) -> list[str]:
    """Return the modules that a page runs by ``python -m`` and that are not there."""
    named = re.findall(r"python3? -m (\w[\w.]*\w)", text)
    return [name for name in named if name.split(".")[0] in OURS and find_spec(name) is None]


def wrong_targets(text: str) -> list[str]:
    """Return the targets that a page makes and the Makefile does not have."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    return [name for name in re.findall(r"(?:`|^ *)make ([a-z-]+)", text, re.MULTILINE) if name not in known]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(page: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    found = []
    for target in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page: str) -> None:
    """A reader finds every file, module, target and section where the page says that it is. Renamed one? Edit the page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert wrong_paths(code(page)) == []
    assert wrong_modules(text) == []
    assert wrong_targets(text) == []
    assert wrong_links(page) == []


def test_the_check_finds_what_is_wrong(tmp_path: Path) -> None:
    """Stale names of each kind are found."""
    page = tmp_path / "page.md"
    page.write_text("# A heading\n\n[x](#a-heading) [y](#another) [z](gone.md)\n", encoding="utf-8")
    assert wrong_paths(iter(["services/gone.py", "gone.py", "schemas/", "`", "tests/*/", "T=tests/gone"])) == [
        "services/gone.py",
        "gone.py",
        "tests/gone",
    ]
    assert wrong_modules("python -m testbed.gone and python -m testbed.bench, python -m venv") == ["testbed.gone"]
    assert wrong_targets("`make gone`, `make test`\nmake nothing") == ["gone", "nothing"]
    assert wrong_links(page.as_posix()) == ["#another", "gone.md"]


def test_where_to_change_what_is_there() -> None:
    """What the table of the contributing guide names in a file is in that file."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Where to change what")[2]
    rows = re.findall(r"^\| a \*\*.*$", text.partition("\n## ")[0], re.MULTILINE)
    assert len(rows) == 5
    for row in rows:
        (path, names), *_ = re.findall(r"\| `([^`]+)`: ([^;|]*)", row)
        source = (ROOT / path).read_text(encoding="utf-8")
        assert [name for name in re.findall(r"`([^`]+)`", names) if not re.search(rf"\b{name}\b", source)] == [], path


def test_comments_cite_sections_that_exist() -> None:
    """``DESIGN section 4`` in code is a section of docs/design.md."""
    sections = set(re.findall(r"^## (\d)\.", (ROOT / "docs" / "design.md").read_text(encoding="utf-8"), re.MULTILINE))
    sources = (path for top in OURS for path in ROOT.joinpath(top).rglob("*.py"))
    texts = (path.read_text(encoding="utf-8") for path in sources)
    cited = {number for text in texts for number in re.findall(r"DESIGN sections? (\d)", text)}
    assert cited
    assert cited <= sections


def folder_map() -> set[str]:
    """Return the paths of the map in docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Folders")[2]
    found: list[tuple[int, str]] = []
    paths = set()
    for line in text.split("```")[1].strip("\n").splitlines():
        indent, name = re.findall(r"^( *)(\S+)", line)[0]
        found = [one for one in found if one[0] < len(indent)] + [(len(indent), name)]
        paths.add("".join(part for _, part in found))
    return paths


def test_the_folder_map_is_true_and_whole() -> None:
    """The map names nothing that is gone, and no package of the product is missing."""
    named = folder_map()
    assert [path for path in named if not (ROOT / path).exists()] == []
    packages = {
        path.parent.relative_to(ROOT).as_posix() + "/"
        for pattern in ("services/*/__init__.py", "services/amqp/*/__init__.py", "services/store/*/__init__.py")
        for path in ROOT.glob(pattern)
    }
    assert packages <= named


def test_what_is_sampled_runs_whole_by_a_target() -> None:
    """Each test file with more cases under ``LEADMAIL_LONG`` is among what ``make test-long`` or ``make crash`` runs."""
    lines = re.findall(r"^\tLEADMAIL_LONG=.*$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = [ROOT / path for path in re.findall(r"\btests/[\w/.]+", " ".join(lines))]
    files = (path for name in ("test_*.py", "conftest.py") for path in ROOT.joinpath("tests").rglob(name))
    sampled = {path for path in files if re.search(r"environ\.get\(.LEADMAIL_LONG", path.read_text(encoding="utf-8"))}
    assert sampled
    assert {path for path in sampled if not {path, *path.parents}.intersection(named)} == set()

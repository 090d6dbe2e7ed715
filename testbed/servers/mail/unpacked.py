"""Debian packages that are unpacked, not installed: no service, no configuration, and nothing that excludes another package."""

from __future__ import annotations

import fcntl
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from testbed.processes.packages import program
from testbed.processes.parts import HostingError
from testbed.servers.mongod import cache_folder

_FOR_ALL = Path("/var/cache/leadmail-testbed")
"""Where root unpacks: the unprivileged user whom the servers run as may not enter a checkout in root's home."""
_PACKAGES = {
    "cyrus": ("cyrus-common", "cyrus-imapd", "libsasl2-modules"),
    "courier": ("courier-base", "courier-imap", "courier-authlib"),
    "prometheus": ("prometheus",),
    "submission": ("dovecot-submissiond",),
}
_UNUSED = re.compile(r"exim|default-mta|gnutls-bin|gawk|db-util|db5.*-util|.*-dev$|libgnutls")
"""What the packages depend on for more than their IMAP server."""
_TO_INSTALL = re.compile(r"^Inst (\S+) \(", re.MULTILINE)  # one that is installed has its version before the bracket


def unpacked(kind: str) -> Path:
    """Return the folder with the programs of "cyrus", "courier", "prometheus" or "submission", downloading them on first use (5 to 20 MB).

    Raises:
        HostingError: this is no Debian, or its archive cannot be reached.
    """
    target = _folder() / f"{kind}-{platform.freedesktop_os_release().get('VERSION_CODENAME', 'unknown')}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with (target.parent / f"{kind}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start at once
            if not target.exists():
                _unpack(_PACKAGES[kind], target)
    return target


def _folder() -> Path:
    return _FOR_ALL if os.geteuid() == 0 else cache_folder()


def _unpack(names: tuple[str, ...], target: Path) -> None:
    if not program("apt-get") or not program("dpkg-deb"):
        raise HostingError(
            f"{', '.join(names)} are needed from Debian or Ubuntu, and there is no apt-get here: run a Docker engine and "
            "set LEADMAIL_HOSTING=containers"
        )
    print(f"downloading {', '.join(names)} (once)", file=sys.stderr)  # noqa: T201 - progress for the person who waits
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=target.parent) as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        debs, tree = folder / "debs", folder / "tree"
        debs.mkdir()
        tree.mkdir(mode=0o755)
        _apt("download", "-qq", *_needed(names), cwd=debs)
        for deb in sorted(debs.iterdir()):
            subprocess.run(["dpkg-deb", "-x", str(deb), str(tree)], check=True)
        shutil.move(tree, target)


def _needed(names: tuple[str, ...]) -> list[str]:
    """Return the packages with what they depend on and is not installed."""
    simulate = ("install", "--simulate", "--no-install-recommends", *names)
    try:
        said = _apt(*simulate)
    except HostingError:
        if os.geteuid() != 0:
            raise
        _apt("update", "-qq")
        said = _apt(*simulate)
    return sorted({*names, *(name for name in _TO_INSTALL.findall(said) if not _UNUSED.match(name))})


def _apt(*arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        ["apt-get", *arguments],
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise HostingError(
            f"`apt-get {' '.join(arguments)}` failed; run: sudo apt-get update. It said:\n{done.stderr.strip()[-1_000:]}"
        )
    return done.stdout

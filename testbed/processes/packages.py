"""Distribution packages: which are needed, whether they are installed, and how to install them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from testbed.processes.parts import HostingError

#: Run directly: the wrapper in /usr/sbin insists on the user rabbitmq and the system's folders.
RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_POLICY = Path("/usr/sbin/policy-rc.d")
_NOTHING_STARTS = "#!/bin/sh\n# Written by Leadmail while it installs packages; removed right after.\nexit 101\n"
# A non-root PATH on Debian lacks these, and dovecot lives in one of them.
_SEARCH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/sbin"])


@dataclass(frozen=True, slots=True)
class Package:
    """A distribution package, a program that shows that it is installed, and the system services that it enables."""

    name: str
    path: str
    services: tuple[str, ...] = ()

    def installed(self) -> bool:
        """Return whether the program that we need from it is installed."""
        return program(self.path) is not None


RABBITMQ = Package("rabbitmq-server", str(RABBITMQ_SERVER), ("rabbitmq-server.service", "epmd.service", "epmd.socket"))
DOVECOT_IMAP = Package("dovecot-imapd", "/usr/lib/dovecot/imap", ("dovecot.service", "dovecot.socket"))
DOVECOT_LMTP = Package("dovecot-lmtpd", "/usr/lib/dovecot/lmtp", ("dovecot.service", "dovecot.socket"))
CHROMIUM = Package("chromium", "chromium")


def program(name: str) -> Path | None:
    """Return the path of a program, searched also where only root usually looks."""
    found = shutil.which(name, path=_SEARCH)
    return Path(found) if found else None


def ensure(packages: Iterable[Package]) -> None:
    """Install the missing packages if we are root; otherwise say how.

    It leaves no system service running or enabled: the servers here are our own processes.

    Raises:
        HostingError: with the command to run, when something is missing and cannot be installed from here.
    """
    missing = [package for package in packages if not package.installed()]
    if missing:
        install([package.name for package in missing])
        for service in sorted({service for package in missing for service in package.services}):
            _disable(service)
        still = [package.name for package in missing if not package.installed()]
        if still:
            raise HostingError(f"{', '.join(still)} was installed, but its programs are not where Debian puts them")


def install(names: list[str]) -> None:
    """Install distribution packages by apt-get, without starting the services in them."""
    manual = f"apt-get install --no-install-recommends {' '.join(names)}"
    if not program("apt-get"):
        raise HostingError(
            f"needed from the distribution: {', '.join(names)}, and there is no apt-get here: install them (names are "
            "Debian's), or run a Docker engine and set LEADMAIL_HOSTING=containers"
        )
    if os.geteuid() != 0:
        raise HostingError(f"packages are missing; run: sudo {manual}")
    print(f"installing {' '.join(names)}", file=sys.stderr)  # noqa: T201 - progress for the person who waits
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with _no_service_starts():
        for command in (
            ["apt-get", "update", "-qq"],
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *names],
        ):
            outcome = subprocess.run(
                command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
            )
            if outcome.returncode != 0:
                said = (outcome.stdout + outcome.stderr).strip()[-1_500:]
                raise HostingError(f"`{' '.join(command)}` failed; run `{manual}` yourself. It said:\n{said}")


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep packages from starting their services (Debian's policy-rc.d), unless the machine has a policy already."""
    ours = not _POLICY.exists()
    if ours:
        _POLICY.write_text(_NOTHING_STARTS)
        _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if ours:
            _POLICY.unlink(missing_ok=True)


def _disable(service: str) -> None:
    """Keep a service that came with a package from starting with the machine."""
    systemctl = program("systemctl")
    if systemctl:
        subprocess.run([str(systemctl), "disable", service], capture_output=True, check=False)


def missing_libraries(binary: Path) -> list[str]:
    """Return the shared libraries that `binary` needs and that are missing, after trying to install them as root."""
    missing = _unresolved(binary)
    if missing and os.geteuid() == 0 and program("apt-get"):
        install(["libcurl4", "libssl3", "liblzma5"])  # newer releases provide these names for their ...t64 packages
        missing = _unresolved(binary)
    return missing


def _unresolved(binary: Path) -> list[str]:
    said = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False).stdout
    return [line.split()[0] for line in said.splitlines() if line.rstrip().endswith("not found")]

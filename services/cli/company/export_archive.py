"""Where an export goes: a folder, or one ZIP file; readable by its owner only."""

from __future__ import annotations

import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from services.cli.terminal.output import fail
from services.cli.terminal.session import USAGE

_NAME = 100
"""Characters of a file's name that came with a mail: in UTF-8 they fit every file system."""


class Parcel(Protocol):
    """Takes files by a path within it."""

    def open(self, name: str) -> IO[bytes]:
        """Return a file to write."""


class Folder:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def open(self, name: str) -> IO[bytes]:
        """Return a new file to write, with the folders above it."""
        path = self._folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


class Archive:
    """Files in a ZIP file; one is written at a time."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def open(self, name: str) -> IO[bytes]:
        """Return a member to write."""
        return self._archive.open(name, "w", force_zip64=True)


@contextmanager
def parcel(output: Path) -> Iterator[Parcel]:
    """Yield what takes the files: a ZIP file where the path ends with ``.zip``, else a folder. Nothing that is there is overwritten."""
    try:
        if output.suffix.lower() != ".zip":
            output.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(output.iterdir()):
                fail(f"{output} is not empty: name a new folder, or a file that ends with .zip", code=USAGE)
            yield Folder(output)
            return
        with (
            os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            yield Archive(archive)
    except FileExistsError:
        fail(f"{output} is there already: name another one", code=USAGE)
    except OSError as error:
        fail(f"{output} cannot be written ({error.strerror}): what is there of it is not whole")


def file_name(number: int, name: str) -> str:
    """Return the name of an attachment's file: numbered, without anything that leads elsewhere."""
    bare = "".join("_" if char in '/\\:*?"<>|\0' else char for char in name).strip(" .")
    return f"{number}-{bare[-_NAME:] or 'file'}"


async def write(into: Parcel, name: str, parts: AsyncIterator[bytes]) -> None:
    """Write a file as its content comes."""
    with into.open(name) as file:
        async for part in parts:
            file.write(part)

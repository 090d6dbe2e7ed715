"""Writes an export to a folder or a ZIP file that only its owner can read."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from services.cli.terminal.output import USAGE, fail

STANDARD_OUTPUT = Path("-")
_NAME = 100
"""At most so many characters of an attachment's name: in UTF-8 they fit every file system."""


class ExportArchive(Protocol):
    """Takes files by relative path."""

    def create(self, name: str) -> IO[bytes]:
        """Return a new file to write."""


class FolderArchive:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def create(self, name: str) -> IO[bytes]:
        """Return a new file to write; creates missing parent folders."""
        path = self._folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


class ZipArchive:
    """Files in a ZIP file, written one at a time."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def create(self, name: str) -> IO[bytes]:
        """Return a new member to write."""
        return self._archive.open(name, "w", force_zip64=True)


@contextmanager
def open_archive(output: Path) -> Iterator[ExportArchive]:
    """Yield a ZIP file if the path ends with ``.zip`` or is ``-``, else a folder. Existing files are never overwritten."""
    if output == STANDARD_OUTPUT:
        if sys.stdout.isatty():
            fail("the ZIP file does not go to a terminal: redirect it to a file", code=USAGE)
        with zipfile.ZipFile(sys.stdout.buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            yield ZipArchive(archive)
        return
    try:
        if output.suffix.lower() != ".zip":
            output.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(output.iterdir()):
                fail(f"{output} is not empty: choose a new folder, or a file name that ends with .zip", code=USAGE)
            yield FolderArchive(output)
            return
        with (
            os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            yield ZipArchive(archive)
    except FileExistsError:
        fail(f"{output} already exists: choose another name", code=USAGE)
    except OSError as error:
        fail(f"{output} cannot be written ({error.strerror}): the export is incomplete")


def file_name(number: int, name: str) -> str:
    """Return a safe file name for an attachment: numbered, without path separators."""
    bare = "".join("_" if char in '/\\:*?"<>|\0' else char for char in name).strip(" .")
    return f"{number}-{bare[-_NAME:] or 'file'}"


async def write(archive: ExportArchive, name: str, parts: AsyncIterator[bytes]) -> None:
    """Write a file as its content arrives."""
    with archive.create(name) as file:
        async for part in parts:
            file.write(part)

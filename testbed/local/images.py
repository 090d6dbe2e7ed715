"""Container images: which ones, and how to get them."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import docker
from docker.errors import APIError, BuildError, DockerException, ImageNotFound

from testbed.processes.parts import HostingError

_CONTEXTS = Path(__file__).parents[1] / "images"
_ENGINE_ANSWERS_S = 5
_BUILD_S = 900


def engine_answers() -> bool:
    """Return whether a Docker engine can be used from here."""
    try:
        client = docker.from_env(timeout=_ENGINE_ANSWERS_S)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False


def rabbitmq_image() -> str:
    """The image of RabbitMQ with the management and Prometheus plugins."""
    return os.environ.get("RABBITMQ_IMAGE") or "rabbitmq:4-management"


def mongo_image() -> str:
    """The image of MongoDB."""
    return os.environ.get("MONGO_IMAGE") or "mongo:6.0"


def mail_image(kind: str) -> str:
    """The tag of our own image of "dovecot", "cyrus" or "courier", which changes whenever its sources change."""
    made_of = hashlib.sha256(_python_image().encode())
    for path in sorted((_CONTEXTS / kind).iterdir()):
        made_of.update(path.name.encode() + b"\0" + path.read_bytes())
    return f"leadmail-{kind}:{made_of.hexdigest()[:12]}"


def ensure_pulled(image: str) -> None:
    """Pull an image if it is missing.

    Raises:
        HostingError: it is not available.
    """
    client = docker.from_env(timeout=_BUILD_S)
    try:
        if not _present(client, image):
            print(f"pulling {image}", file=sys.stderr)  # noqa: T201 - progress for the person who waits
            client.images.pull(image)
    except (APIError, ImageNotFound) as error:
        raise HostingError(
            f"cannot get the image {image}: {error.explanation}. Pull it by hand, name another by RABBITMQ_IMAGE, "
            "MONGO_IMAGE or PYTHON_IMAGE, or set LEADMAIL_HOSTING=processes"
        ) from error
    finally:
        client.close()


def ensure_mail_built(kind: str) -> None:
    """Build our image of a mail server if it is missing (about half a minute).

    Raises:
        HostingError: when the build fails.
    """
    tag, context = mail_image(kind), _CONTEXTS / kind
    client = docker.from_env(timeout=_BUILD_S)
    try:
        if _present(client, tag):
            return
        ensure_pulled(_python_image())
        print(f"building {tag}", file=sys.stderr)  # noqa: T201 - progress for the person who waits
        client.images.build(
            path=str(context), tag=tag, buildargs={"PYTHON_IMAGE": _python_image()}, rm=True, forcerm=True
        )
    except BuildError as error:
        said = "".join(str(line.get("stream", "")) for line in error.build_log)[-1_500:]
        raise HostingError(f"cannot build {tag} from {context}: {error.msg}\n{said}") from error
    except APIError as error:
        raise HostingError(f"cannot build {tag} from {context}: {error.explanation}") from error
    finally:
        client.close()


def _python_image() -> str:
    return os.environ.get("PYTHON_IMAGE") or "python:3.13-slim"


def _present(client: docker.DockerClient, image: str) -> bool:
    try:
        client.images.get(image)
    except ImageNotFound:
        return False
    return True

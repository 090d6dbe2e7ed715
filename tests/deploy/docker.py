"""The docker command, as tests use it, and building our images."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testbed.local.images import engine_answers

ROOT = Path(__file__).parents[2]
DOCKERFILE = "deploy/docker/leadmail/Dockerfile"
PYTHON_IMAGE = os.environ.get("PYTHON_IMAGE") or "python:3.13-slim"
VERSION = "1.2.3-test"


def why_no_containers() -> str | None:
    """Return why nothing can be built or started in containers here; None when it can."""
    way = os.environ.get("LEADMAIL_HOSTING") or "auto"
    if way == "processes":
        return "LEADMAIL_HOSTING=processes: no containers are wanted"
    if shutil.which("docker") and engine_answers():
        return None
    assert way != "containers", "LEADMAIL_HOSTING=containers, but the docker command or its engine is missing"
    return "no container engine answers here"


def docker(*arguments: str, seconds: float = 120, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run the docker command; what it says is the text of the error."""
    done = subprocess.run(
        ["docker", *arguments],
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        cwd=ROOT,
        env={**os.environ, "DOCKER_BUILDKIT": "1"},
    )
    assert done.returncode == 0 or not check, (
        f"docker {arguments[0]} ended with {done.returncode}: {done.stderr[-3000:]}"
    )
    return done


def build(tag: str, *arguments: str) -> str:
    """Build a target of our Dockerfile and return its tag. What did not change comes out of the engine's cache."""
    settings = ("--build-arg", f"PYTHON_IMAGE={PYTHON_IMAGE}", "--build-arg", f"VERSION={VERSION}")
    docker("build", "--quiet", "--tag", tag, "--file", DOCKERFILE, *settings, *arguments, ".", seconds=600)
    return tag

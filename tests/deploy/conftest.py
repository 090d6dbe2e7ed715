"""What needs a container engine: skipped, with the reason, where the servers are processes."""

from __future__ import annotations

import pytest

from tests.deploy.docker import build, why_no_containers


@pytest.fixture(scope="session")
def engine() -> None:
    """A container engine and its command line."""
    if why := why_no_containers():
        pytest.skip(why)


@pytest.fixture(scope="session")
def image(engine: None) -> str:
    """Leadmail's image, built from what is checked out."""
    return build("leadmail-test:latest")


@pytest.fixture(scope="session")
def demo_image(image: str) -> str:
    """The same with the demo's mailboxes and SMTP sink."""
    return build("leadmail-test-demo:latest", "--target", "demo")

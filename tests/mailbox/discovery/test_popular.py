"""The services that users choose from: known to the directory, and shown with marks that can be read."""

from __future__ import annotations

import re

import pytest

from services.mailbox.popular import POPULAR, PopularService


def contrast_with_white(colour: str) -> float:
    """Return the contrast ratio of WCAG 2.1."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


@pytest.mark.parametrize("service", POPULAR.values(), ids=list(POPULAR))
def test_a_service(service: PopularService) -> None:
    """Its entries exist; the tile has a letter or two, in white on a colour that is dark enough."""
    assert service.provider.key == service.key
    assert service.for_company.key in (service.key, service.company)
    assert re.fullmatch(r"[A-Za-z]{1,2}", service.mark)
    assert contrast_with_white(service.colour) >= 4.5

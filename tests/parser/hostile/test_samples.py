"""Of each hostile mail exactly what is right for it is read, and what is damaged in it damages nothing else."""

from __future__ import annotations

import pytest

from tests.parser.bounds import is_bounded
from tests.parser.hostile import (
    characters,
    dates,
    encoded_words,
    encodings,
    file_names,
    header_fields,
    pages,
    people,
    programs,
    quotes,
    structures,
    wrapped,
)
from tests.parser.hostile.sample import Sample, facts
from tests.parser.samples import content

_KINDS = (
    *(header_fields, people, encoded_words, structures, encodings, file_names, pages, wrapped, programs, quotes),
    characters,
    dates,
)
ALL: dict[str, Sample] = {
    f"{kind.__name__.rpartition('.')[2]} / {name}": each for kind in _KINDS for name, each in kind.SAMPLES.items()
}


@pytest.mark.parametrize("name", ALL)
def test_all_facts_are_right(name: str) -> None:
    """Every fact is as it is told for the sample: people, subject, date, ids, text, attachments, defects."""
    raw, expected = ALL[name]
    assert facts(raw) == expected
    assert is_bounded(content(raw))


def test_there_are_many_samples() -> None:
    """There are samples of every kind, and no two of them are the same mail."""
    assert len(ALL) > 600
    assert len({each.raw for each in ALL.values()}) > 600

"""A folder of bad files among good ones: the good are found, the bad are listed, nothing hangs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bindsearch.ingest.library import Library
from bindsearch.modality import Modality
from tests.hostile import make_good, make_hostile
from tests.tiny import APART, TinyEncoder


@pytest.fixture
def encoder() -> TinyEncoder:
    """One that embeds whatever can be read."""
    return TinyEncoder(modalities=Modality)


def test_every_good_file_is_found_and_every_bad_one_is_listed_with_its_reason(
    library: Library, folder: Path
) -> None:
    bad = make_hostile(folder)
    good = make_good(folder)
    assert len(bad) >= 40
    report = library.index(folder)

    found = {
        path for hit in library.search("red", 500, options=APART) for path in (hit.path, *hit.other_paths)
    }
    assert found >= set(good)
    assert not found & set(bad)

    failures = {failure.path: failure.reason for failure in library.failures()}
    unsupported = {failure.path: failure.reason for failure in library.failures(unsupported=True)}
    for path, pattern in bad.items():
        listed = failures if pattern else unsupported
        assert path in listed, f"{path!r} is not listed"
        assert re.search(pattern, listed[path]), f"{path!r}: {listed[path]}"
    assert all(reason.strip() for reason in (failures | unsupported).values())
    assert not set(failures) & set(good)

    again = library.index(folder)
    assert (again.indexed, again.unchanged) == (0, report.indexed + report.recognised)

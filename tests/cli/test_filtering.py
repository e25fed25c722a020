"""The options of searches that filter, and the two readers of --within."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bindsearch.cli.filtering import FilterOptions
from bindsearch.errors import QueryError
from bindsearch.index.filters import Filter
from bindsearch.modality import Modality
from bindsearch.when import parse_instant
from bindsearch.wishes import distance_within, timespan_within


def where(options: FilterOptions) -> str:
    return str(options.filter().where)


def test_no_option_is_no_filter() -> None:
    assert FilterOptions().filter() == Filter()
    assert FilterOptions().filter().only_hides


def test_the_plain_options_are_plain_fields(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    options = FilterOptions(types=[Modality.IMAGE], folders=["x"], since="2023", until="2023", offline=True)
    assert options.filter() == Filter(
        modalities=frozenset({Modality.IMAGE}),
        folders=(os.fspath(tmp_path / "x"),),
        since=parse_instant("2023", end=False),
        until=parse_instant("2024", end=False),
        offline=True,
    )


def test_of_one_option_any_value_will_do_and_different_options_must_all_hold() -> None:
    options = FilterOptions(cameras=["canon", "sony"], tags=["dog"], where="has:place or tag:cat")
    assert where(options) == "(camera:canon or camera:sony) and tag:dog and (has:place or tag:cat)"


def test_times_of_one_kind_are_joined_by_or_and_kinds_by_and() -> None:
    options = FilterOptions(when=["sat", "2023", "morning", "sun", "2024"])
    assert where(options) == "(time:sat or time:sun) and (time:2023 or time:2024) and time:morning"


def test_lengths_include_their_bounds() -> None:
    assert where(FilterOptions(longer="10s", shorter="2m")) == "duration:>=10s and duration:<=2m"


def test_a_distance_belongs_to_every_place() -> None:
    assert where(FilterOptions(near=["48,11"])) == "near:48,11"
    options = FilterOptions(near=["48,11", "@12"], within=["10m"])
    assert where(options) == "near:48,11,10m or near:@12,10m"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FilterOptions(when=["soon"]), "--when soon: this is not a time"),
        (FilterOptions(near=["91,0"]), "--near 91,0: there is no such place on earth"),
        (FilterOptions(longer="long"), "--longer|this is not a span of time"),
        (FilterOptions(tags=[" "]), "--tag  : a value is missing"),
        (FilterOptions(within=["2km"]), "there is nothing that this could limit"),
        (FilterOptions(near=["48,11"], within=["1h"]), "--within 1h: this is not a distance"),
        (FilterOptions(where="tag:a and"), "nothing follows this and, at character 7"),
    ],
)
def test_a_value_that_cannot_be_read_is_told_with_its_option(options: FilterOptions, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        options.filter()


@pytest.mark.parametrize(
    ("within", "near", "sequence", "distance", "timespan"),
    [
        ([], True, True, None, None),
        (["10m"], True, False, "10m", None),
        (["10m"], False, True, None, "10m"),
        (["2km"], True, True, "2km", None),
        (["10min"], True, True, None, "10min"),
        (["2km", "10m"], True, True, "2km", "10m"),
        (["10m", "2km"], True, True, "2km", "10m"),
        (["10m", "1h"], True, True, "10m", "1h"),
        (["1:30", "300 feet"], True, True, "300 feet", "1:30"),
    ],
)
def test_within_is_a_distance_or_a_time(
    within: list[str], near: bool, sequence: bool, distance: str | None, timespan: str | None
) -> None:
    assert distance_within(within, near=near, sequence=sequence) == distance
    assert timespan_within(within, near=near, sequence=sequence) == timespan


@pytest.mark.parametrize(
    ("within", "near", "sequence", "message"),
    [
        (["2km"], False, False, "nothing that this could limit"),
        (["2km", "3km"], True, False, "one --within too many"),
        (["1h", "2h", "2km"], True, True, "one --within too many"),
        (["10m"], True, True, "could be metres or minutes"),
        (["10m", "5m"], True, True, "could be metres or minutes"),
        (["2km", "3km"], True, True, "these are both distances"),
        (["1h", "2h"], True, True, "these are both spans of time"),
        (["far"], True, True, "this is neither"),
    ],
)
def test_a_within_that_cannot_be_told_apart_is_refused(
    within: list[str], near: bool, sequence: bool, message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        timespan_within(within, near=near, sequence=sequence)

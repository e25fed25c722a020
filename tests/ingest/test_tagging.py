"""Tagging a whole library by words and by examples, from stored vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bindsearch.errors import QueryError, SettingsError
from bindsearch.index.filters import Filter
from bindsearch.index.store import Store
from bindsearch.ingest.examples import parse_examples
from bindsearch.ingest.library import Library
from bindsearch.ingest.tagging import (
    TagRun,
    Wishes,
    rename,
    tag_by_examples,
    tag_by_hand,
    tag_by_words,
    tags_at,
    untag,
)
from bindsearch.modality import Modality
from tests.media import BLUE, GREEN, RED, film, picture
from tests.tiny import TinyEncoder

PLAIN = ["{}"]


@pytest.fixture
def filled(library: Library, folder: Path) -> Library:
    """Two red pictures, a green and a blue one, and a film that is red, then blue."""
    for name, colour in (("red1", RED), ("red2", (250, 25, 5)), ("green", GREEN), ("blue", BLUE)):
        picture(folder / f"{name}.png", colour)
    film(folder / "both.mp4", [RED, BLUE], seconds=2)
    library.index(folder)
    library.close()
    return library


def words(library: Library, names: list[str], wishes: Wishes | None = None) -> TagRun:
    with Store.writing(library.folder) as store:
        return tag_by_words(store, library.encoder, names, PLAIN, wishes or Wishes())


def examples(library: Library, shown: Mapping[str, list[Path]], wishes: Wishes | None = None) -> TagRun:
    with Store.writing(library.folder) as store:
        return tag_by_examples(store, library.encoder, library.settings, shown, wishes or Wishes())


def tags(library: Library, folder: Path) -> dict[str, list[str]]:
    with Store.open(library.folder) as store:
        return {path.name: [tag.name for tag in found] for path, found in tags_at(store, [str(folder)])}


def test_words_tag_what_fits_and_open_no_file(filled: Library, folder: Path) -> None:
    for file in folder.iterdir():
        file.rename(file.with_suffix(".away"))
    run = words(filled, ["red", "green"], Wishes(Filter(modalities=frozenset({Modality.IMAGE}))))
    assert (run.files, run.counts) == (4, {"red": 2, "green": 1})
    assert {tagged.path.name for tagged in run.tagged if tagged.name == "red"} == {"red1.png", "red2.png"}
    assert run.estimated == {Modality.IMAGE}
    assert run.changed == 3


def test_running_again_takes_away_what_no_longer_fits_and_keeps_what_a_hand_gave(
    filled: Library, folder: Path
) -> None:
    with Store.writing(filled.folder) as store:
        tag_by_hand(store, "Red", [str(folder / "green.png")])
    words(filled, ["red"], Wishes(level=0.0))
    assert all("Red" in found for found in tags(filled, folder).values())
    run = words(filled, ["red"], Wishes(Filter(modalities=frozenset({Modality.IMAGE}))))
    assert run.names == ("Red",)
    assert run.taken == 1  # from the blue picture; the film was not looked at
    assert tags(filled, folder) == {
        name: ["Red"] for name in ("red1.png", "red2.png", "green.png", "both.mp4")
    }


def test_a_dry_run_changes_nothing(filled: Library, folder: Path) -> None:
    with Store.open(filled.folder) as store:
        run = tag_by_words(store, filled.encoder, ["red"], PLAIN, Wishes(dry=True))
    assert run.tagged
    assert tags(filled, folder) == {}


def test_a_film_can_be_judged_by_its_best_moment(filled: Library) -> None:
    only = Filter(modalities=frozenset({Modality.VIDEO}))
    whole = words(filled, ["red"], Wishes(only, level=0.0, dry=True)).tagged[0].probability
    best = words(filled, ["red"], Wishes(only, level=0.0, by_moment=True, dry=True)).tagged[0].probability
    assert best > whole


def test_examples_in_the_library_are_not_read_again_and_get_their_tag(
    filled: Library, folder: Path, encoder: TinyEncoder
) -> None:
    encoded = encoder.encoded
    run = examples(filled, {"warm": [folder / "red1.png"]})
    assert encoder.encoded == encoded
    assert run.counts == {"warm": 2}
    assert run.unsure == {Modality.IMAGE}
    assert run.untold == 1  # the film
    assert tags(filled, folder) == {"red1.png": ["warm"], "red2.png": ["warm"]}


def test_examples_from_elsewhere_are_read_for_the_occasion(
    filled: Library, folder: Path, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    picture(shown / "a.png", (0, 240, 10))
    (shown / "notes.pdf").write_bytes(b"%PDF-1.7\n" + bytes(64))
    (shown / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more than that")
    run = examples(filled, {"leaf": [shown], "sky": [folder / "blue.png"]})
    assert [Path(str(error.subject)).name for error in run.failures] == ["broken.png"]
    assert tags(filled, folder) == {"green.png": ["leaf"], "blue.png": ["sky"]}


def test_a_changed_example_is_read_anew(filled: Library, folder: Path) -> None:
    picture(folder / "red1.png", BLUE, (32, 32))
    run = examples(filled, {"sky": [folder / "red1.png"]})
    assert [tagged.path.name for tagged in run.tagged] == ["blue.png"]


def test_a_name_without_an_example_that_can_be_read_is_refused(filled: Library, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no example of it"):
        examples(filled, {"nothing": [tmp_path / "library"]})


def test_examples_are_pairs_of_names_and_paths(folder: Path) -> None:
    pairs = [f"Beach={folder}", f"beach={folder.parent}"]
    assert parse_examples(pairs) == {"Beach": [folder, folder.parent]}
    for wrong, reason in (("beach", "no example"), (f"={folder}", "no example"), ("a=/nowhere", "no such")):
        with pytest.raises(SettingsError, match=reason):
            parse_examples([wrong])


def test_tags_follow_a_file_that_is_renamed_and_go_when_it_is_forgotten(
    filled: Library, folder: Path
) -> None:
    with Store.writing(filled.folder) as store:
        assert tag_by_hand(store, "kept", [str(folder / "red1.png"), str(folder / "blue.png")]) == 2
    (folder / "red1.png").rename(folder / "other.png")
    filled.index()
    assert tags(filled, folder) == {"other.png": ["kept"], "blue.png": ["kept"]}
    filled.forget([folder / "blue.png"])
    assert tags(filled, folder) == {"other.png": ["kept"]}


def test_by_hand_a_path_must_be_known(filled: Library, folder: Path, tmp_path: Path) -> None:
    with Store.writing(filled.folder) as store:
        with pytest.raises(QueryError, match="knows no file here"):
            tag_by_hand(store, "x", [str(folder / "red1.png"), str(tmp_path / "nowhere")])
        assert untag(store, "x", []) == 0  # nothing was half done
        tag_by_hand(store, "Paris", [str(folder)])
        assert rename(store, "paris", "PARIS") == 5
        assert untag(store, "paris", [str(folder / "red1.png")]) == 1
        with pytest.raises(QueryError, match="no file has this tag"):
            rename(store, "rome", "x")
    assert tags(filled, folder)["green.png"] == ["PARIS"]

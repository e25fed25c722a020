"""What a file's place has a say in: captions beside it, rules above it, habits of names.

Bytes and hint together make a content, so a change of either is read again, and nothing else is.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bindsearch.encoders import Encoder, Vectors
from bindsearch.errors import EncoderError, SettingsError
from bindsearch.index.active import ActiveSpaces
from bindsearch.index.filters import Filter
from bindsearch.index.schema import Stage
from bindsearch.ingest.library import Library
from bindsearch.loaders.rules import RULES_FILE
from bindsearch.media import Media, Passage
from bindsearch.modality import Modality
from bindsearch.references import REFERENCE_QUERIES
from bindsearch.settings import Settings
from tests.cli.runner import bindsearch
from tests.dump import dump
from tests.media import BLUE, GREEN, RED, picture
from tests.tiny import APART, MODALITIES, TinyEncoder

SETTINGS = Settings(space="one", threads=1)  # one process to decode in starts sooner than several
DEPTH_RULE = '[[rule]]\nfiles = "{}"\nmodality = "depth"\nunit = "mm"\n'


def found(library: Library, query: str, modality: Modality = Modality.TEXT) -> list[Path]:
    """The files whose segments of that modality are hits, best first."""
    return [hit.path for hit in library.search(query, 50, Filter(modalities=frozenset({modality})), APART)]


def grey_map(path: Path, start: int = 1000) -> Path:
    """16-bit grey: a depth map or heat, which nothing in it tells."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray((np.arange(32 * 24).reshape(24, 32) * 3 + start).astype(np.uint16)).save(path)
    return path


@pytest.fixture
def library(tmp_path: Path, encoder: TinyEncoder) -> Iterator[Library]:
    """An empty library with the tiny encoder."""
    with Library(tmp_path / "library", SETTINGS, encoder) as opened:
        yield opened


@pytest.fixture
def photo(folder: Path) -> Path:
    """A red photo among two others."""
    picture(folder / "green.png", GREEN)
    picture(folder / "blue.png", BLUE)
    return picture(folder / "x.png", RED)


def test_a_photo_is_found_by_the_words_of_its_caption(library: Library, folder: Path, photo: Path) -> None:
    (folder / "x.txt").write_text("a white wedding")
    report = library.index(folder)
    assert (report.seen, report.indexed, report.parts, report.failed) == (3, 3, 1, 0)
    assert found(library, "white") == [photo]
    assert library.search("a white wedding", 1)[0].text == "a white wedding"
    assert library.segments_by_modality() == {"image": 3, "text": 1}
    assert set(dump(library.folder)["locations"]) == {photo, folder / "green.png", folder / "blue.png"}


def test_an_edited_an_added_and_a_deleted_caption_are_seen_by_the_next_run(
    library: Library, folder: Path, photo: Path, encoder: TinyEncoder
) -> None:
    library.index(folder)
    assert found(library, "white") == []

    def run() -> tuple[int, int, int]:
        before = encoder.encoded
        report = library.index(folder)
        return report.indexed, report.unchanged, encoder.encoded - before

    (folder / "x.caption").write_text("white")
    assert run() == (1, 2, 2), "the photo and its words"
    assert found(library, "white") == [photo]
    (folder / "x.caption").write_text("nothing but red")
    assert run() == (1, 2, 2)
    assert [hit.text for hit in library.search("red", 5, options=APART) if hit.text] == ["nothing but red"]
    (folder / "x.caption").unlink()
    assert run() == (1, 2, 1)
    assert found(library, "red") == []
    assert library.segments_by_modality() == {"image": 3}, "the words before must leave no segments"
    assert run() == (0, 3, 0)


def test_a_text_becomes_a_caption_and_a_note_again(library: Library, folder: Path) -> None:
    note = folder / "x.txt"
    note.write_text("white")
    library.index(folder)
    assert found(library, "white") == [note]
    photo = picture(folder / "x.png", RED)
    library.index(folder)
    assert found(library, "white") == [photo]
    photo.unlink()
    library.index(folder)
    assert found(library, "white") == [note]
    assert library.roots()[0].present == 1


def test_a_caption_that_is_named_as_a_root_is_taken_in_for_its_own_sake(
    library: Library, folder: Path, photo: Path
) -> None:
    caption = folder / "x.txt"
    caption.write_text("white")
    assert library.index([caption, photo]).indexed == 2
    assert set(found(library, "white")) == {caption, photo}


def test_a_second_run_reads_nothing(
    library: Library, folder: Path, photo: Path, encoder: TinyEncoder
) -> None:
    (folder / "x.txt").write_text("white")
    (folder / "x.xmp").write_text("broken")
    (folder / RULES_FILE).write_text(DEPTH_RULE.format("maps/*"))
    grey_map(folder / "maps" / "1.png")
    grey_map(folder / "doubt" / "2.png")
    first = library.index(folder)
    assert (first.indexed, first.failed, first.parts) == (4, 1, 2)
    before = dump(library.folder)
    calls = encoder.calls
    again = library.index(folder)
    assert (again.unchanged, again.failing, again.parts, encoder.calls) == (4, 1, 2, calls)
    assert (again.indexed, again.recognised, again.failed) == (0, 0, 0)
    assert dump(library.folder) == before


def test_a_rule_reads_again_what_it_concerns_and_nothing_else(
    tmp_path: Path, folder: Path, photo: Path
) -> None:
    encoder = TinyEncoder(modalities=MODALITIES | {Modality.DEPTH, Modality.THERMAL})
    first, second = (grey_map(folder / "maps" / f"{n}.png", 1000 + n) for n in range(2))
    with Library(tmp_path / "library", SETTINGS, encoder) as library:
        assert library.index(folder).failed == 2
        reasons = {failure.path: failure.reason for failure in library.failures()}
        assert {failure.stage for failure in library.failures()} == {Stage.UNCLEAR}
        assert set(reasons) == {first, second}
        assert all(RULES_FILE in reason for reason in reasons.values())

        (folder / RULES_FILE).write_text(DEPTH_RULE.format("/maps/"))
        encoded = encoder.encoded
        report = library.index(folder)
        assert (report.indexed, report.unchanged, encoder.encoded - encoded) == (2, 3, 2)
        assert library.failures() == []
        assert set(found(library, "red", Modality.DEPTH)) == {first, second}

        heat = '[[rule]]\nfiles = "x.png"\nmodality = "thermal"\nunit = "grey"\n'
        (folder / RULES_FILE).write_text(DEPTH_RULE.format("/maps/") + heat)
        encoded = encoder.encoded
        report = library.index(folder)
        assert (report.indexed, report.unchanged, encoder.encoded - encoded) == (1, 4, 1)
        assert found(library, "red", Modality.THERMAL) == [photo]

        (folder / RULES_FILE).unlink()
        report = library.index(folder)
        assert (report.indexed, report.failed, report.unchanged) == (1, 2, 2)
        assert found(library, "red", Modality.DEPTH) == []


def test_renaming_a_folder_of_photos_with_captions_costs_no_reading(
    library: Library, folder: Path, encoder: TinyEncoder
) -> None:
    album = folder / "album"
    album.mkdir()
    for n in range(3):
        picture(album / f"{n}.png", (n * 100, 0, 0))
        (album / f"{n}.txt").write_text(f"white {n}")
    library.index(folder)
    calls = encoder.calls
    renamed = album.rename(folder / "renamed")
    report = library.index(folder)
    assert (report.moved, report.indexed, report.recognised, encoder.calls) == (3, 0, 0, calls)
    assert set(found(library, "white")) == {renamed / f"{n}.png" for n in range(3)}


def test_a_photo_moved_without_its_caption_loses_its_words(
    library: Library, folder: Path, photo: Path
) -> None:
    (folder / "x.txt").write_text("white")
    library.index(folder)
    photo.rename(folder / "y.png")
    assert library.index(folder).indexed == 2, "the photo without words, and the note that is left"
    assert found(library, "white") == [folder / "x.txt"]


def test_the_same_bytes_under_two_hints_are_two_contents(tmp_path: Path, folder: Path) -> None:
    encoder = TinyEncoder(modalities=MODALITIES | {Modality.DEPTH, Modality.THERMAL})
    near = grey_map(folder / "near" / "1.png")
    (folder / "warm").mkdir()
    warm = Path(shutil.copy2(near, folder / "warm" / "1.png"))
    linked = folder / "warm" / "2.png"
    os.link(near, linked)
    rule = '[[rule]]\nfiles = "warm/"\nmodality = "thermal"\nunit = "celsius"\n'
    (folder / RULES_FILE).write_text(rule + DEPTH_RULE.format("near/"))
    with Library(tmp_path / "library", SETTINGS, encoder) as library:
        report = library.index(folder)
        assert (report.indexed, report.recognised, encoder.encoded) == (2, 1, 2)
        assert found(library, "red", Modality.DEPTH) == [near]
        (heat,) = library.search("red", 5, Filter(modalities=frozenset({Modality.THERMAL})))
        assert {heat.path, *heat.other_paths} == {warm, linked}
        assert len(dump(library.folder)["contents"]) == 2
        assert library.index(folder).unchanged == 3


def test_a_depth_map_named_so_needs_no_rule(tmp_path: Path, folder: Path) -> None:
    encoder = TinyEncoder(modalities=MODALITIES | {Modality.DEPTH})
    depth = grey_map(folder / "depth" / "1.png")
    (folder / "rgb").mkdir()
    colour = picture(folder / "rgb" / "1.png", RED)
    with Library(tmp_path / "library", SETTINGS, encoder) as library:
        assert library.index(folder).indexed == 2
        assert found(library, "red", Modality.DEPTH) == [depth]
        assert found(library, "red", Modality.IMAGE) == [colour]


@pytest.mark.parametrize("where", [".", "sub"])
def test_rules_that_cannot_be_used_end_the_run_and_change_nothing(
    library: Library, folder: Path, photo: Path, where: str
) -> None:
    (folder / "sub").mkdir()
    grey_map(folder / "sub" / "1.png")
    library.index(folder)
    before = dump(library.folder)
    picture(folder / "new.png", RED)
    photo.unlink()
    bad = folder / where / RULES_FILE
    bad.write_text(DEPTH_RULE.format("*").replace("mm", "miles"))
    with pytest.raises(SettingsError, match=rf"{RULES_FILE}: rule 1 has unit = 'miles'"):
        library.index(folder)
    assert dump(library.folder) == before
    bad.unlink()
    report = library.index(folder)
    assert (report.indexed + report.recognised + report.moved, report.missing) == (1, 1)


def test_the_command_line_names_the_bad_rule_in_one_line(tmp_path: Path, folder: Path) -> None:
    (folder / RULES_FILE).write_text("[[rule]]\nfiles = '*'\n")
    (folder / "note.txt").write_text("red")
    run = bindsearch(tmp_path / "library", "index", folder)
    assert run.returncode == 2
    assert run.stdout == b""
    (line,) = run.stderr.decode().splitlines()
    assert str(folder / RULES_FILE) in line
    assert "rule 1 has the modality None" in line


class Refusing(TinyEncoder):
    """Encodes no text that names blue."""

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """See Encoder.encode."""
        words = {media.text for media in batch if isinstance(media, Passage)} - set(REFERENCE_QUERIES)
        if any("blue" in text for text in words):
            self.calls += 1
            raise EncoderError("will not encode blue", subject="tiny")
        return super().encode(batch)


class Shelf:
    """Opens tiny encoders by name."""

    def __init__(self, **encoders: TinyEncoder) -> None:
        self.encoders = encoders

    def __call__(self, name: str) -> Encoder:
        return self.encoders[name]


def test_what_another_space_cannot_encode_keeps_its_place(tmp_path: Path, folder: Path) -> None:
    note = folder / "note.txt"
    note.write_text("blue")
    shelf = Shelf(one=TinyEncoder(), two=Refusing(revision="2"))
    with Library(tmp_path / "library", SETTINGS, opener=shelf) as library:
        library.index(folder)
        library.use("two")
        assert library.index().failed == 1
        assert list(dump(library.folder)["locations"]) == [note]
        assert [failure.reason for failure in library.failures()] == ["will not encode blue"]
        assert library.active_spaces() == ActiveSpaces("two"), "what was tried and refused is done"
        calls = shelf.encoders["two"].calls
        report = library.index()
        assert (report.failing, report.failed, shelf.encoders["two"].calls) == (1, 0, calls)
        assert library.index(retry_failed=True).failed == 1
        assert shelf.encoders["two"].calls == calls + 1
        library.use("one")
        assert found(library, "blue") == [note], "its vectors in the space before are still there"


def test_what_cannot_be_encoded_is_tried_again_when_it_changes(tmp_path: Path, folder: Path) -> None:
    note = folder / "note.txt"
    note.write_text("blue")
    encoder = Refusing()
    with Library(tmp_path / "library", SETTINGS, encoder) as library:
        assert library.index(folder).failed == 1
        report = library.index(folder)
        assert (report.failing, encoder.calls) == (1, 1)
        note.write_text("red")
        assert library.index(folder).indexed == 1
        assert library.failures() == []
        note.write_text("blue again")
        assert library.index(folder).failed == 1
        assert found(library, "red") == [], "what it was before is not what it is"
        calls = encoder.calls
        assert library.index(folder).failing == 1
        assert encoder.calls == calls


def test_a_photo_whose_caption_cannot_be_encoded_is_not_tried_again_and_again(
    tmp_path: Path, folder: Path, photo: Path
) -> None:
    encoder = Refusing()
    with Library(tmp_path / "library", SETTINGS, encoder) as library:
        library.index(folder)
        (folder / "x.txt").write_text("blue")
        assert library.index(folder).failed == 1
        encoded = encoder.calls
        report = library.index(folder)
        assert (report.failing, report.unchanged, encoder.calls) == (1, 2, encoded)
        (folder / "x.txt").write_text("white")
        assert library.index(folder).indexed == 1
        assert found(library, "white") == [photo]


def test_what_the_space_does_not_embed_is_kept_for_one_that_does(
    tmp_path: Path, folder: Path, photo: Path
) -> None:
    (folder / "x.txt").write_text("white")
    depth = grey_map(folder / "depth" / "1.png")
    shelf = Shelf(
        one=TinyEncoder(modalities={Modality.IMAGE}),
        two=TinyEncoder("2", MODALITIES | {Modality.DEPTH}),
    )
    with Library(tmp_path / "library", SETTINGS, opener=shelf) as library:
        report = library.index(folder)
        assert (report.indexed, report.failed) == (4, 0)
        assert report.set_aside == {"text": 1, "depth": 1}
        assert library.segments_by_modality() == {"image": 3, "text": 1, "depth": 1}
        assert len(dump(library.folder)["vectors"]) == 3
        again = library.index(folder)
        assert (again.unchanged, again.set_aside, again.segments) == (4, {}, 0)

        assert library.use("two") == ActiveSpaces("one", "two", 0, 4)
        report = library.index()
        assert (report.indexed, report.set_aside) == (4, {})
        assert library.active_spaces() == ActiveSpaces("two")
        assert len(dump(library.folder)["vectors"]) == 3 + 5
        assert found(library, "white") == [photo]
        assert found(library, "white", Modality.DEPTH) == [depth]


def test_a_file_of_which_nothing_can_be_embedded_is_taken_in_and_left_alone(
    tmp_path: Path, folder: Path
) -> None:
    (folder / "note.txt").write_text("red")
    encoder = TinyEncoder(modalities={Modality.IMAGE})
    with Library(tmp_path / "library", SETTINGS, encoder) as library:
        report = library.index(folder)
        assert (report.indexed, report.set_aside, encoder.calls) == (1, {"text": 1}, 0)
        assert library.index(folder).unchanged == 1
        shutil.copy(folder / "note.txt", folder / "copy.txt")
        report = library.index(folder)
        assert (report.recognised, report.unchanged, report.set_aside) == (1, 1, {})

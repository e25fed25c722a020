"""Which files belong to which, by their names: captions, XMP, Takeout's JSON, sensors, intrinsics."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bindsearch.loaders import NO_HINT, Surroundings
from bindsearch.loaders.rules import RULES_FILE
from bindsearch.loaders.surroundings import MAX_CAPTION_BYTES
from bindsearch.modality import Modality


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder whose own name and those above it tell nothing."""
    made = tmp_path / "a" / "b" / "c"
    made.mkdir(parents=True)
    return made


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(name))


def belonging(folder: Path, name: str) -> list[tuple[str, str]]:
    """The roles and names of what belongs to a file."""
    hint = Surroundings().hint(folder / name)
    return [(one.role, os.path.relpath(one.path, folder)) for one in hint.neighbours]


def parts(folder: Path) -> set[str]:
    around = Surroundings()
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in files if around.is_part(path)}


@pytest.mark.parametrize("owner", ["x.jpg", "x.HEIC", "x.mp4", "x.mp3", "x.npy", "x.exr", "x.tiff"])
@pytest.mark.parametrize("ending", [".txt", ".caption", "{}.txt", "{}.caption"])
def test_a_caption_is_named_after_its_file_with_or_without_its_suffix(
    place: Path, owner: str, ending: str
) -> None:
    caption = "x" + ending.format(Path(owner).suffix)
    make(place, owner, caption)
    assert belonging(place, owner) == [("caption", caption)]
    assert parts(place) == {caption}


@pytest.mark.parametrize("names", [("x.pdf", "x.txt"), ("x.csv", "x.txt"), ("x.jpg", "y.txt"), ("x.txt",)])
def test_a_text_beside_nothing_of_its_name_is_one_of_its_own(place: Path, names: tuple[str, ...]) -> None:
    make(place, *names)
    assert parts(place) == set()


def test_a_text_too_long_for_a_caption_is_one_of_its_own(place: Path) -> None:
    make(place, "x.jpg", "y.jpg")
    (place / "x.txt").write_text("a" * MAX_CAPTION_BYTES)
    (place / "y.txt").write_text("a" * (MAX_CAPTION_BYTES + 1))
    assert parts(place) == {"x.txt"}
    assert belonging(place, "y.jpg") == []


def test_several_captions_all_belong_and_one_caption_can_belong_to_two(place: Path) -> None:
    make(place, "x.jpg", "x.mov", "x.txt", "x.jpg.txt")
    assert belonging(place, "x.jpg") == [("caption", "x.jpg.txt"), ("caption", "x.txt")]
    assert belonging(place, "x.mov") == [("caption", "x.txt")]
    assert parts(place) == {"x.txt", "x.jpg.txt"}


@pytest.mark.parametrize("name", ["x.xmp", "x.jpg.xmp", "X.XMP", "x.JPG.xmp"])
def test_xmp_is_named_in_two_ways(place: Path, name: str) -> None:
    make(place, "x.jpg", name)
    assert belonging(place, "x.jpg") == [("xmp", name)]
    assert parts(place) == {name}


LONG = "a" * 42  # with ".jpg" these are Takeout's 46 characters


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("IMG_1.jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1.jpg", "IMG_1.jpg.supplemental-metad.json"),
        ("PXL_20230102_030405678.jpg", "PXL_20230102_030405678.jpg.supplemental-metad.json"),
        ("PXL_20230102_030405678.PORTRAIT.jpg", "PXL_20230102_030405678.PORTRAIT.jpg.supplemen.json"),
        (f"{LONG[:-2]}.jpg", f"{LONG[:-2]}.jpg.s.json"),
        (f"{LONG[:-1]}.jpg", f"{LONG[:-1]}.jpg..json"),
        (f"{LONG}.jpg", f"{LONG}.jpg.json"),
        (f"{LONG}aaaa.jpg", f"{LONG}aaaa.json"),
        (f"{LONG}aa.jpg", f"{LONG}aa.j.json"),
        ("IMG_1(2).jpg", "IMG_1.jpg(2).json"),
        ("IMG_1(2).jpg", "IMG_1(2).jpg.json"),
        ("IMG_1(2).jpg", "IMG_1.jpg.supplemental-metadata(2).json"),
        ("IMG_1(12).jpg", "IMG_1.jpg.supplemental-meta(12).json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.json"),
        ("IMG_1-edited.jpg", "IMG_1.jpg.supplemental-metadata.json"),
        ("IMG_1-edited(1).jpg", "IMG_1.jpg.supplemental-metadata(1).json"),
        ("IMG_1-edited.jpg", "IMG_1-edited.jpg.json"),
        ("VID_1.mp4", "VID_1.mp4.supplemental-metadata.json"),
        ("talk [abc].mp4", "talk [abc].info.json"),
        ("talk (1).webm", "talk (1).info.json"),
        ("song.opus", "song.info.json"),
    ],
)
def test_json_is_named_as_takeout_and_downloaders_name_it(place: Path, owner: str, name: str) -> None:
    make(place, owner, name, "metadata.json", "IMG_2.jpg.json")
    assert belonging(place, owner) == [("json", name)]
    assert parts(place) == {name}


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("IMG_1.jpg", "IMG_1.json"),
        ("IMG_1.jpg", "IMG_1.jpg(1).json"),
        ("IMG_1(1).jpg", "IMG_1.jpg.json"),
        ("IMG_1.jpg", "IMG_1.jpg.other-metadata.json"),
        ("IMG_1.jpg", "IMG_10.jpg.json"),
    ],
)
def test_json_of_another_name_does_not_belong(place: Path, owner: str, name: str) -> None:
    make(place, owner, name)
    assert belonging(place, owner) == []
    assert parts(place) == set()


def test_a_photo_its_double_and_its_edited_one_have_each_their_own(place: Path) -> None:
    make(place, "I.jpg", "I(1).jpg", "I-edited.jpg", "I.jpg.json", "I.jpg(1).json")
    assert belonging(place, "I.jpg") == [("json", "I.jpg.json")]
    assert belonging(place, "I(1).jpg") == [("json", "I.jpg(1).json")]
    assert belonging(place, "I-edited.jpg") == [("json", "I.jpg.json")]


def test_everything_at_once_in_one_order(place: Path) -> None:
    make(place, "X.JPG", "x.jpg.JSON", "x.Txt", "x.xmp")
    assert belonging(place, "X.JPG") == [("caption", "x.Txt"), ("xmp", "x.xmp"), ("json", "x.jpg.JSON")]
    assert parts(place) == {"x.Txt", "x.xmp", "x.jpg.JSON"}


def test_of_names_that_differ_in_case_only_the_same_one_belongs_every_time(place: Path) -> None:
    make(place, "x.jpg", "x.txt", "x.TXT")
    if len(list(place.iterdir())) == 2:
        pytest.skip("the file system does not tell cases apart")
    assert belonging(place, "x.jpg") == [("caption", "x.TXT")]
    assert parts(place) == {"x.TXT"}


def test_a_folder_neither_owns_nor_belongs(place: Path) -> None:
    make(place, "x.jpg/a.bin", "x.txt", "y.jpg", "y.txt/a.bin", "y.jpg.json/a.bin", "y.xmp/a.bin")
    assert parts(place) == set()
    assert belonging(place, "y.jpg") == []


def test_a_pipe_or_a_link_to_nothing_does_not_belong(place: Path) -> None:
    make(place, "x.jpg")
    os.mkfifo(place / "x.txt")
    (place / "x.xmp").symlink_to("nowhere")
    assert belonging(place, "x.jpg") == []


def test_a_rule_takes_a_text_in_on_its_own_as_well(place: Path) -> None:
    make(place, "x.jpg", "x.txt", "y.jpg", "y.txt")
    (place / RULES_FILE).write_text('[[rule]]\nfiles = "x.txt"\nmodality = "text"\n')
    assert parts(place) - {RULES_FILE} == {"y.txt"}
    assert belonging(place, "x.jpg") == [("caption", "x.txt")]


def test_the_sensors_of_sensor_logger_are_one_log(place: Path) -> None:
    make(place, "Accelerometer.csv", "Gyroscope.csv", "Gravity.csv", "Metadata.csv", "Orientation.csv")
    assert belonging(place, "Accelerometer.csv") == [
        ("gyroscope", "Gyroscope.csv"),
        ("gravity", "Gravity.csv"),
    ]
    assert parts(place) == {"Gyroscope.csv", "Gravity.csv"}
    assert belonging(place, "Metadata.csv") == []


def test_an_acceleration_with_gravity_comes_before_one_without(place: Path) -> None:
    make(place, "Accelerometer.csv", "TotalAcceleration.csv", "Gyroscope.csv", "Gravity.csv")
    assert belonging(place, "TotalAcceleration.csv") == [
        ("acceleration", "Accelerometer.csv"),
        ("gyroscope", "Gyroscope.csv"),
        ("gravity", "Gravity.csv"),
    ]
    assert belonging(place, "Accelerometer.csv") == []
    assert parts(place) == {"Accelerometer.csv", "Gyroscope.csv", "Gravity.csv"}


@pytest.mark.parametrize(
    ("main", "other"),
    [
        ("walk_acc.csv", "walk_gyro.csv"),
        ("walk_accel_01.csv", "walk_gyr_01.csv"),
        ("Acc-2.tsv", "GYRO-2.TSV"),
        ("2023 accelerometer.csv", "2023 Gyroscope.csv"),
        ("acceleration.csv", "gyro.csv"),
    ],
)
def test_a_gyroscope_is_found_by_the_rest_of_the_name(place: Path, main: str, other: str) -> None:
    make(place, main, other, "run_gyro.csv", "gyro_walk.csv")
    assert belonging(place, main) == [("gyroscope", other)]
    assert parts(place) == {other}


@pytest.mark.parametrize(
    "main",
    [
        "AccelerometerUncalibrated.csv",
        "LinearAcceleration.csv",
        "account.csv",
        "vacc.csv",
        "acc.txt",
        "acc_2.csv",
        "accelerator.csv",
    ],
)
def test_what_is_no_accelerometer_takes_no_gyroscope(place: Path, main: str) -> None:
    make(place, main, "gyro.csv", "Gyroscope.csv", "Gravity.csv", "Gyroscope.txt")
    assert belonging(place, main) == []
    assert parts(place) == set()


@pytest.mark.parametrize("name", ["intrinsics.txt", "intrinsics.json", "camera_info.json", "Intrinsics.TXT"])
@pytest.mark.parametrize("above", [False, True])
def test_intrinsics_lie_beside_depth_maps_or_one_folder_above(place: Path, name: str, above: bool) -> None:
    depth = place / "depth"
    make(depth, "1.png")
    make(place, "rgb/1.png")
    where = place if above else depth
    make(where, name)
    (found,) = Surroundings().hint(depth / "1.png").neighbours
    assert (found.role, Path(found.path)) == ("intrinsics", where / name)
    assert Surroundings().hint(place / "rgb" / "1.png") is NO_HINT
    assert parts(place) == {name if above else f"depth/{name}"}


def test_the_nearest_intrinsics_count(place: Path) -> None:
    make(place, "depth/1.png", "depth/intrinsics.json", "intrinsics.txt")
    assert belonging(place, "depth/1.png") == [("intrinsics", "depth/intrinsics.json")]


def test_a_rule_makes_intrinsics_belong_too(place: Path) -> None:
    make(place, "maps/1.tif", "intrinsics.txt")
    assert parts(place) == set(), "a note of that name, as long as nothing is known to be a depth map"
    (place / RULES_FILE).write_text('[[rule]]\nfiles = "maps/*.tif"\nmodality = "depth"\n')
    assert belonging(place, "maps/1.tif") == [("intrinsics", "intrinsics.txt")]
    assert parts(place) - {RULES_FILE} == {"intrinsics.txt"}


def test_habit_and_neighbours_are_told_together(place: Path) -> None:
    make(place, "thermal/1.jpg", "thermal/1.txt")
    hint = Surroundings().hint(place / "thermal" / "1.jpg")
    assert (hint.modality, hint.ruled) == (Modality.THERMAL, False)
    assert [one.role for one in hint.neighbours] == ["caption"]


def test_a_neighbour_is_told_with_its_path_size_and_time(place: Path) -> None:
    make(place, "x.jpg", "x.txt")
    os.utime(place / "x.txt", ns=(5, 7))
    (one,) = Surroundings().hint(place / "x.jpg").neighbours
    assert (one.path, one.size, one.mtime_ns) == (str(place / "x.txt"), 5, 7)


def test_a_file_and_its_caption_keep_their_key_under_another_name_and_in_another_place(place: Path) -> None:
    make(place, "x.jpg", "x.txt", "x.jpg.json")
    before = Surroundings().hint(place / "x.jpg").key
    assert before
    other = place.parent / "z"
    other.mkdir()
    for old, new in {"x.jpg": "n.jpg", "x.txt": "n.jpg.txt", "x.jpg.json": "n.jpg.suppl.json"}.items():
        (place / old).rename(other / new)
    assert Surroundings().hint(other / "n.jpg").key == before
    assert Surroundings().hint(place / "x.jpg").key == ""


def test_an_edited_an_added_and_a_removed_caption_change_the_key(place: Path) -> None:
    make(place, "x.jpg", "x.txt")
    keys = [Surroundings().hint(place / "x.jpg").key]
    (place / "x.txt").write_text("another text")
    keys.append(Surroundings().hint(place / "x.jpg").key)
    os.utime(place / "x.txt", ns=(1, 1))
    keys.append(Surroundings().hint(place / "x.jpg").key)
    make(place, "x.xmp")
    keys.append(Surroundings().hint(place / "x.jpg").key)
    (place / "x.xmp").unlink()
    (place / "x.txt").unlink()
    keys.append(Surroundings().hint(place / "x.jpg").key)
    assert len(set(keys)) == len(keys)
    assert keys[-1] == ""


def test_a_folder_that_is_not_there_tells_what_its_name_does(place: Path) -> None:
    around = Surroundings()
    assert around.hint(place / "nowhere" / "x.jpg") is NO_HINT
    assert around.hint(place / "depth" / "x.png").modality is Modality.DEPTH
    assert not around.is_part(place / "nowhere" / "x.txt")


def test_names_that_are_not_text_are_looked_at_like_others(place: Path) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    make(place, name, os.fsdecode(b"caf\xe9.txt"))
    assert [one.role for one in Surroundings().hint(place / name).neighbours] == ["caption"]


def test_a_relative_path_is_looked_up_where_the_process_is(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(place, "x.jpg", "x.txt")
    monkeypatch.chdir(place)
    assert len(Surroundings().hint("x.jpg").neighbours) == 1

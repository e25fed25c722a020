"""The user's rules: every key that they know, every mistake that they name, and which rule counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bindsearch.errors import SettingsError
from bindsearch.loaders import NO_HINT, Hint, Surroundings
from bindsearch.loaders.hints import RULE_FIELDS
from bindsearch.loaders.rules import RULES_FILE, RULES_FILE_BYTES, Rules
from bindsearch.modality import Modality

RULE = '[[rule]]\nfiles = "*"\nmodality = "{}"\n{}\n'


def rules(folder: Path, text: str) -> Rules:
    path = folder / RULES_FILE
    path.write_text(text)
    return Rules.read(path)


def only(folder: Path, modality: str, line: str) -> Hint:
    return rules(folder, RULE.format(modality, line)).hint_for("any.thing")


CHOICES = [
    *[("depth", "unit", unit) for unit in ("m", "cm", "mm", "disparity")],
    *[
        ("thermal", "unit", unit)
        for unit in ("celsius", "kelvin", "fahrenheit", "centikelvin", "decikelvin", "grey")
    ],
    *[("depth", "layout", layout) for layout in ("sunrgbd", "tum")],
    *[("imu", "acceleration", unit) for unit in ("m/s^2", "g", "mg")],
    *[("imu", "rotation", unit) for unit in ("rad/s", "deg/s")],
    *[(log, "time", unit) for log in ("imu", "sensor") for unit in ("s", "ms", "us", "ns")],
]
NUMBERS = [
    *[("depth", key) for key in ("scale", "offset", "focal_length", "baseline")],
    *[("thermal", key) for key in ("scale", "offset")],
    ("imu", "rate"),
    *[("sensor", key) for key in ("rate", "window")],
]


@pytest.mark.parametrize(("modality", "key", "value"), CHOICES)
def test_every_choice_is_taken_over(tmp_path: Path, modality: str, key: str, value: str) -> None:
    expected = Hint(modality=Modality(modality), ruled=True, **{key: value})  # type: ignore[arg-type]
    assert only(tmp_path, modality, f'{key} = "{value}"') == expected


@pytest.mark.parametrize(("modality", "key"), NUMBERS)
@pytest.mark.parametrize(("written", "value"), [("0.5", 0.5), ("525", 525.0), ("1e-3", 0.001)])
def test_every_number_is_taken_over(
    tmp_path: Path, modality: str, key: str, written: str, value: float
) -> None:
    hint = only(tmp_path, modality, f"{key} = {written}")
    assert getattr(hint, key) == value
    assert type(getattr(hint, key)) is float


@pytest.mark.parametrize("modality", list(Modality))
def test_every_modality_can_be_said_alone(tmp_path: Path, modality: Modality) -> None:
    hint = only(tmp_path, modality, "")
    assert hint == Hint(modality=modality, ruled=True)
    assert hint.wishes(modality)


def test_columns_are_paired_with_the_names_of_the_log(tmp_path: Path) -> None:
    hint = only(tmp_path, "imu", 'columns = { t = "clock", gx = "rot x", ax = "a1" }')
    assert hint.columns == (("ax", "a1"), ("gx", "rot x"), ("t", "clock"))


def test_the_tests_above_leave_no_key_out() -> None:
    tested = {key for _, key, _ in CHOICES} | {key for _, key in NUMBERS} | {"columns", "modality"}
    assert tested == set(RULE_FIELDS)


@pytest.mark.parametrize(
    ("modality", "line", "reason"),
    [
        ("depth", 'unit = "celsius"', r"has unit = 'celsius' \(known are m, cm, mm, disparity\)"),
        ("thermal", 'unit = "mm"', r"unit = 'mm' \(known are celsius, kelvin, .*, decikelvin, grey\)"),
        ("depth", 'unit = "MM"', r"unit = 'MM' \(known are m, cm, mm"),
        ("depth", "unit = 5", r"unit = 5 \(known are m, cm, mm"),
        ("depth", 'unit = ["mm"]', r"unit = \['mm'\] \(known are m, cm, mm"),
        ("depth", 'layout = "nyu"', r"layout = 'nyu' \(known are sunrgbd, tum\)"),
        ("imu", 'acceleration = "m/s2"', r"acceleration = 'm/s2' \(known are m/s\^2, g, mg\)"),
        ("imu", 'rotation = "rpm"', r"rotation = 'rpm' \(known are rad/s, deg/s\)"),
        ("imu", 'time = "min"', r"time = 'min' \(known are s, ms, us, ns\)"),
        ("depth", "skale = 2", r"does not know 'skale' \(for depth it knows files, modality, unit, scale,"),
        ("thermal", "baseline = 0.1", r"does not know 'baseline' \(for thermal it knows files, .*offset\)"),
        ("imu", 'unit = "g"', r"does not know 'unit' \(for imu it knows files, modality, acceleration,"),
        ("image", 'unit = "m"', r"does not know 'unit' \(for image it knows files, modality\)"),
        ("depth", 'scale = "2"', r"has scale = '2', which is no number"),
        ("depth", "scale = true", r"has scale = True, which is no number"),
        ("depth", "scale = [1]", r"has scale = \[1\], which is no number"),
        ("depth", "scale = nan", r"has scale = nan, which is no number to reckon with"),
        ("thermal", "offset = -inf", r"has offset = -inf, which is no number to reckon with"),
        ("thermal", f"offset = {10**400}", r"has offset = 10+, which is no number to reckon with"),
        ("depth", "scale = 0", r"has scale = 0, which cannot be"),
        ("depth", "focal_length = 0.0", r"has focal_length = 0.0, which cannot be"),
        ("depth", "baseline = -1", r"has baseline = -1, which cannot be"),
        ("imu", "rate = -50", r"has rate = -50, which cannot be"),
        (
            "imu",
            'columns = { x = "a" }',
            r"has columns = {'x': 'a'} \(name columns for t, ax, ay, az, gx",
        ),
        ("imu", "columns = { ax = 1 }", r"has columns = {'ax': 1} \(name columns for t"),
        ("imu", 'columns = ["ax"]', r"has columns = \['ax'\]"),
    ],
)
def test_a_mistake_in_a_rule_names_the_file_the_rule_and_what_is_known(
    tmp_path: Path, modality: str, line: str, reason: str
) -> None:
    good = RULE.format("depth", 'unit = "mm"')
    with pytest.raises(SettingsError, match=rf"{RULES_FILE}: rule 2 .*{reason}") as caught:
        rules(tmp_path, good + RULE.format(modality, line))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[rule]]\nfiles = ", "not TOML: Invalid value"),
        ("[[rule]]\nfiles = 'a'\nfiles = 'b'", "not TOML: Cannot overwrite"),
        ("a = " + "[" * 100_000, "not TOML: "),
        (RULE.format("depth", "scale = 0x" + "f" * 5000), "not TOML: Exceeds the limit"),
        ("[rule]\nfiles = '*'\nmodality = 'depth'", r"holds rule outside \[\[rule\]\]"),
        ("rule = 5", r"holds rule outside \[\[rule\]\]"),
        ("rule = [5]", r"holds rule outside \[\[rule\]\]"),
        ("unit = 'mm'", r"holds 'unit' outside \[\[rule\]\] \(write each rule as \[\[rule\]\], files"),
        ("[[rules]]\nfiles = '*'", r"holds 'rules' outside \[\[rule\]\]"),
        ("[[rule]]\nmodality = 'depth'", 'rule 1 does not say for which files it is .write files = "'),
        ("[[rule]]\nmodality = 'depth'\nfiles = []", "rule 1 does not say for which files"),
        ("[[rule]]\nmodality = 'depth'\nfiles = [5]", "rule 1 does not say for which files"),
        ("[[rule]]\nmodality = 'depth'\nfiles = true", "rule 1 does not say for which files"),
        ("[[rule]]\nmodality = 'depth'\nfiles = ''", "rule 1 has patterns that no file can match"),
        ("[[rule]]\nmodality = 'depth'\nfiles = '# x'", "rule 1 has patterns that no file can match"),
        ("[[rule]]\nmodality = 'depth'\nfiles = '!x'", "rule 1 has patterns that no file can match"),
        ("[[rule]]\nmodality = 'depth'\nfiles = '/'", "rule 1 has patterns? that "),
        ("[[rule]]\nmodality = 'depth'\nfiles = '!'", "rule 1 has a pattern that is not one: "),
        ("[[rule]]\nfiles = '*'", r"rule 1 has the modality None \(known are image, video, text, .*sensor\)"),
        ("[[rule]]\nfiles = '*'\nmodality = 'Depth'", r"rule 1 has the modality 'Depth' \(known are"),
        ("[[rule]]\nfiles = '*'\nmodality = ['depth']", r"rule 1 has the modality \['depth'\] \(known are"),
        ("[[rule]]\nfiles = '*'\nmodality = { depth = 1 }", r"rule 1 has the modality {'depth': 1}"),
        ("#" * (RULES_FILE_BYTES + 1), "too long for a file of rules"),
    ],
)
def test_a_file_that_holds_anything_but_rules_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=f"{RULES_FILE}: {reason}") as caught:
        rules(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / RULES_FILE).write_bytes(b"\xff\xfe[\0[\0")
    with pytest.raises(SettingsError, match="not TOML: 'utf-8' codec can't decode"):
        Rules.read(tmp_path / RULES_FILE)


def test_an_editors_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert rules(tmp_path, "\ufeff" + RULE.format("depth", "")).hint_for("x").ruled


def test_no_rules_are_no_mistake(tmp_path: Path) -> None:
    assert rules(tmp_path, "# none yet\n").hint_for("x") is NO_HINT


def test_the_first_rule_that_matches_counts_alone(tmp_path: Path) -> None:
    text = """
        [[rule]]
        files = "odd_*"
        modality = "thermal"
        [[rule]]
        files = "*.png"
        modality = "depth"
        unit = "mm"
    """
    read = rules(tmp_path, text)
    assert read.hint_for("odd_1.png") == Hint(modality=Modality.THERMAL, ruled=True)
    assert read.hint_for("1.png") == Hint(modality=Modality.DEPTH, ruled=True, unit="mm")
    assert read.hint_for("1.jpg") is NO_HINT


@pytest.mark.parametrize(
    ("files", "matching", "other"),
    [
        ('"*.png"', ["a.png", "b/c/a.png"], ["a.jpg"]),
        ('"/*.png"', ["a.png"], ["b/a.png"]),
        ('"lidar/**/*.png"', ["lidar/a.png", "lidar/b/c.png"], ["a.png", "x/lidar/a.png"]),
        ('"lidar"', ["lidar/a.png", "x/lidar/b/c.npy"], ["lidar2/a.png"]),
        ('"lidar/"', ["lidar/a.png"], ["lidar"]),
        ('["*.png", "!rgb/*"]', ["a.png"], ["rgb/a.png"]),
        ('["a?.npy", "[xy].tif"]', ["ab.npy", "d/x.tif"], ["a.npy", "z.tif"]),
    ],
)
def test_patterns_are_those_of_gitignore(
    tmp_path: Path, files: str, matching: list[str], other: list[str]
) -> None:
    read = rules(tmp_path, f'[[rule]]\nfiles = {files}\nmodality = "depth"\n')
    assert all(read.hint_for(path).ruled for path in matching)
    assert not any(read.hint_for(path).ruled for path in other)


def _write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_patterns_are_relative_to_the_folder_of_their_file(tmp_path: Path) -> None:
    _write(tmp_path / "a" / RULES_FILE, '[[rule]]\nfiles = "/b/*.bin"\nmodality = "depth"\n')
    around = Surroundings()
    assert around.hint(tmp_path / "a" / "b" / "x.bin").ruled
    assert not around.hint(tmp_path / "b" / "x.bin").ruled
    assert not around.hint(tmp_path / "a" / "c" / "b" / "x.bin").ruled


def test_the_rules_in_the_nearest_folder_count_alone(tmp_path: Path) -> None:
    _write(tmp_path / RULES_FILE, RULE.format("depth", 'unit = "mm"'))
    _write(tmp_path / "near" / RULES_FILE, '[[rule]]\nfiles = "*.npy"\nmodality = "thermal"\n')
    _write(tmp_path / "near" / "deep" / "x.npy")
    around = Surroundings()
    assert around.hint(tmp_path / "x.npy").unit == "mm"
    assert around.hint(tmp_path / "near" / "deep" / "x.npy").modality is Modality.THERMAL
    assert around.hint(tmp_path / "near" / "deep" / "x.tif") is NO_HINT, "the outer rule is not asked"


@pytest.mark.parametrize("name", ["depth/x.png", "thermal_1.jpg"])
def test_a_rule_outranks_a_habit(tmp_path: Path, name: str) -> None:
    _write(tmp_path / RULES_FILE, RULE.format("image", ""))
    assert Surroundings().hint(tmp_path / name) == Hint(modality=Modality.IMAGE, ruled=True)


def test_where_no_rule_matches_habit_decides(tmp_path: Path) -> None:
    _write(tmp_path / RULES_FILE, '[[rule]]\nfiles = "*.npy"\nmodality = "thermal"\n')
    assert Surroundings().hint(tmp_path / "depth" / "x.png") == Hint(modality=Modality.DEPTH)


def test_a_mistake_is_told_of_whatever_file_is_asked_for(tmp_path: Path) -> None:
    _write(tmp_path / RULES_FILE, "nonsense")
    with pytest.raises(SettingsError, match="not TOML"):
        Surroundings().hint(_write(tmp_path / "a" / "b" / "note.txt"))


def test_a_folder_or_a_link_to_nothing_of_that_name_is_no_file_of_rules(tmp_path: Path) -> None:
    (tmp_path / "a" / RULES_FILE).mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / RULES_FILE).symlink_to("nowhere")
    around = Surroundings()
    assert [around.hint(tmp_path / name / "x.bin") for name in "ab"] == [NO_HINT, NO_HINT]


@pytest.mark.parametrize(
    "changed",
    [{"unit": "cm"}, {"scale": 0.001}, {"columns": (("ax", "a"),)}, {"modality": Modality.THERMAL}],
)
def test_a_changed_rule_is_another_key(changed: dict[str, Any]) -> None:
    said: dict[str, Any] = {"modality": Modality.DEPTH, "ruled": True, "unit": "mm"}
    assert Hint(**said).key == Hint(**said).key
    assert Hint(**said).key != Hint(**(said | changed)).key


def test_a_rule_and_a_habit_that_say_the_same_are_told_apart() -> None:
    assert Hint(modality=Modality.DEPTH, ruled=True).key != Hint(modality=Modality.DEPTH).key
    assert NO_HINT.key == ""

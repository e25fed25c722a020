"""The figures of each command on folders whose answers are known, with an encoder that knows them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bindsearch.errors import EncoderError, SettingsError
from bindsearch.evaluation.bonds import is_emergent, trained_pairs
from bindsearch.evaluation.command import evaluate
from bindsearch.evaluation.fewshot import FewShot, ProbeFigures
from bindsearch.evaluation.report import fewshot_text, retrieval_text, table
from bindsearch.evaluation.retrieval import Direction
from bindsearch.modality import Modality
from bindsearch.models.shelf import offers
from tests.evaluation.folders import HUES, SensesEncoder, rooms, walks, write_manifest
from tests.media import picture


def figures(*arguments: str | Path, encoder: SensesEncoder | None = None) -> dict[str, Any]:
    used = encoder or SensesEncoder()
    text = evaluate([*map(str, arguments), "--json"], encoder_of=lambda name: used)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def shown(*arguments: str | Path, encoder: SensesEncoder | None = None) -> list[str]:
    used = encoder or SensesEncoder()
    return evaluate([*map(str, arguments)], encoder_of=lambda name: used).splitlines()


def test_files_of_two_modalities_find_their_partners(tmp_path: Path) -> None:
    manifest = rooms(tmp_path, copies=1)
    found = figures("retrieval", "--manifest", manifest, "--from", "depth", "--to", "image")
    there, back = found["directions"]
    assert (there["source"], there["target"], there["queries"], there["items"]) == ("depth", "image", 3, 3)
    assert there["recall_at_1"] == back["recall_at_1"] == 1.0
    assert there["chance_at_1"] == pytest.approx(1 / 3)
    assert there["chance_at_5"] == there["chance_at_10"] == 1.0
    assert found["by"] == "pair"


def test_equals_that_are_no_partners_cost_ranks(tmp_path: Path) -> None:
    manifest = rooms(tmp_path, copies=2)
    there, _ = figures("retrieval", "--manifest", manifest, "--from", "depth", "--to", "image")["directions"]
    assert (there["recall_at_1"], there["recall_at_5"], there["median_rank"]) == (0.0, 1.0, 2.0)


def test_by_label_everything_of_the_same_label_is_right(tmp_path: Path) -> None:
    manifest = rooms(tmp_path, copies=2)
    found = figures("retrieval", "--manifest", manifest, "--from", "depth", "--to", "image", "--by", "label")
    there, back = found["directions"]
    assert there["recall_at_1"] == back["recall_at_1"] == 1.0
    assert there["chance_at_1"] == pytest.approx(2 / 6)
    assert there["chance_at_5"] == 1.0
    assert there["mean_average_precision"] == back["mean_average_precision"] == 1.0
    assert 0.4 < there["chance_average_precision"] < 0.6


def test_labels_bind_the_rows_of_two_manifests(tmp_path: Path) -> None:
    for name in ("rooms", "walks"):
        (tmp_path / name).mkdir()
    first, second = rooms(tmp_path / "rooms"), walks(tmp_path / "walks")
    ask = ("retrieval", "--manifest", first, "--manifest", second, "--from", "imu", "--to", "depth")
    there, back = figures(*ask, "--by", "label")["directions"]
    assert (there["queries"], there["items"], back["queries"], back["items"]) == (9, 6, 6, 9)
    assert there["recall_at_1"] == back["recall_at_1"] == 1.0
    with pytest.raises(SettingsError, match="pairs no imu with depth"):
        figures(*ask)


def test_by_label_what_has_no_like_still_stands_in_the_way(tmp_path: Path) -> None:
    for name in ("rooms", "walks"):
        (tmp_path / name).mkdir()
    first, second = rooms(tmp_path / "rooms", copies=1), walks(tmp_path / "walks")
    second.write_text(second.read_text().replace(",green,", ",asleep,"))
    ask = ("retrieval", "--manifest", first, "--manifest", second, "--from", "imu", "--to", "depth")
    there, back = figures(*ask, "--by", "label")["directions"]
    assert (there["queries"], there["items"], back["queries"], back["items"]) == (6, 3, 2, 9)
    assert (there["chance_at_1"], back["chance_at_1"]) == (pytest.approx(1 / 3), pytest.approx(3 / 9))


def test_a_caption_that_files_share_is_one_item_with_several_answers(tmp_path: Path) -> None:
    manifest = rooms(tmp_path, copies=2)
    there, back = figures("retrieval", "--manifest", manifest, "--from", "text", "--to", "depth")[
        "directions"
    ]
    assert (there["queries"], there["items"], back["queries"], back["items"]) == (3, 6, 6, 3)
    assert there["recall_at_1"] == back["recall_at_1"] == 1.0
    assert (there["chance_at_1"], back["chance_at_1"]) == (pytest.approx(2 / 6), pytest.approx(1 / 3))


def test_a_row_without_a_pair_belongs_to_itself_only(tmp_path: Path) -> None:
    rows = []
    for hue in ("red", "blue"):
        picture(tmp_path / f"{hue}.png", HUES[hue])
        rows.append((f"{hue}.png", "image", "", "test", hue, f"{hue} things"))
    manifest = write_manifest(tmp_path / "manifest.csv", rows)
    there, _ = figures("retrieval", "--manifest", manifest, "--from", "text", "--to", "image")["directions"]
    assert (there["queries"], there["recall_at_1"], there["chance_at_1"]) == (2, 1.0, 0.5)


@pytest.mark.parametrize("by", ["pair", "label"])
def test_a_limit_keeps_partners_together(tmp_path: Path, by: str) -> None:
    manifest = rooms(tmp_path, copies=3)
    ask = ("retrieval", "--manifest", manifest, "--from", "depth", "--to", "image", "--by", by)
    found = figures(*ask, "--limit", "3")
    there, back = found["directions"]
    assert (found["limit"], there["items"], back["items"]) == (3, 3, 3)
    assert there["recall_at_1"] == back["recall_at_1"] == 1.0


def test_zeroshot_names_what_motions_are(tmp_path: Path) -> None:
    found = figures("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu")
    assert (found["items"], found["classes"], found["top_1"]) == (9, 3, 1.0)
    assert (found["chance_at_1"], found["chance_at_5"]) == (pytest.approx(1 / 3), 1.0)
    assert "a person is {}" in found["templates"]


def test_a_limit_of_items_leaves_all_the_labels(tmp_path: Path) -> None:
    found = figures("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu", "--limit", "2")
    assert (found["items"], found["classes"]) == (2, 3)


def test_own_templates_take_the_place_of_the_prompts(tmp_path: Path) -> None:
    encoder = SensesEncoder()
    ask = ("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu", "--template", "moves {} {up}")
    found = figures(*ask, encoder=encoder)
    said = [getattr(media, "text", None) for media in encoder.seen]
    assert [text for text in said if text] == [f"moves {hue} {{up}}" for hue in sorted(HUES)]
    assert found["templates"] == ["moves {} {up}"]


def test_a_template_without_a_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="a person: has no place for the label"):
        figures("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu", "--template", "a person")


def test_fewshot_learns_from_one_split_for_the_other(tmp_path: Path) -> None:
    manifest = rooms(tmp_path, copies=3, splits=("train", "test"))
    ask = ("fewshot", "--manifest", manifest, "--modality", "depth", "--shots", "2,1")
    found = figures(*ask, "--draws", "3", "--seed", "7")
    assert (found["items"], found["classes"], found["unknown"], found["seed"]) == (9, 3, 0, 7)
    assert [probe["shots"] for probe in found["probes"]] == [1, 2, None]
    assert [probe["examples"] for probe in found["probes"]] == [3, 6, 9]
    assert [probe["draws"] for probe in found["probes"]] == [3, 3, 1]
    assert [probe["top_1"] for probe in found["probes"]] == [1.0, 1.0, 1.0]
    assert [probe["spread"] for probe in found["probes"]] == [0.0, 0.0, None]


def test_fewshot_counts_what_it_has_no_examples_of_apart(tmp_path: Path) -> None:
    rows = []
    for split, hues in (("train", ("red", "green")), ("test", ("red", "green", "blue"))):
        for hue in hues:
            picture(tmp_path / f"{split}_{hue}.png", HUES[hue])
            rows.append((f"{split}_{hue}.png", "image", "", split, hue))
    manifest = write_manifest(tmp_path / "manifest.csv", rows)
    ask = ("fewshot", "--manifest", manifest, "--modality", "image", "--shots", "1")
    found = figures(*ask)
    assert (found["items"], found["classes"], found["unknown"]) == (2, 2, 1)
    assert shown(*ask)[-1] == "Not counted: 1 with a label that train does not have."


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--train-split", "test"), "test: is to be learnt from and measured on"),
        (("--train-split", "validation"), "has no depth in split 'validation'"),
        (("--limit", "1"), "needs two labels or more in 'train'"),
    ],
)
def test_fewshot_says_what_is_missing(tmp_path: Path, more: tuple[str, ...], reason: str) -> None:
    manifest = rooms(tmp_path, splits=("train", "test"))
    with pytest.raises(SettingsError, match=reason):
        figures("fewshot", "--manifest", manifest, "--modality", "depth", *more)


@pytest.mark.parametrize(
    "ask",
    [
        ("retrieval", "--from", "text", "--to", "depth"),
        ("zeroshot", "--modality", "depth"),
        ("fewshot", "--modality", "depth"),
    ],
)
def test_a_modality_that_the_space_does_not_embed_is_refused_before_reading(ask: tuple[str, ...]) -> None:
    with pytest.raises(EncoderError, match=r"tiny: cannot encode depth \(it knows image, text\)"):
        figures(*ask, "--manifest", "nowhere.csv", encoder=SensesEncoder([Modality.TEXT, Modality.IMAGE]))


def test_retrieval_is_a_markdown_table(tmp_path: Path) -> None:
    lines = shown("retrieval", "--manifest", rooms(tmp_path, 1), "--from", "depth", "--to", "image")
    assert lines == [
        "|                | queries | items |   R@1 |   R@5 |  R@10 |   mAP | median rank |",
        "| -------------- | ------: | ----: | ----: | ----: | ----: | ----: | ----------: |",
        "| depth to image |       3 |     3 | 1.000 | 1.000 | 1.000 | 1.000 |           1 |",
        "| by chance      |         |       | 0.333 | 1.000 | 1.000 | 0.611 |             |",
        "| image to depth |       3 |     3 | 1.000 | 1.000 | 1.000 | 1.000 |           1 |",
        "| by chance      |         |       | 0.333 | 1.000 | 1.000 | 0.611 |             |",
    ]


def test_zeroshot_is_a_markdown_table(tmp_path: Path) -> None:
    assert shown("zeroshot", "--manifest", walks(tmp_path), "--modality", "imu") == [
        "|           | items | classes | top-1 | top-5 |",
        "| --------- | ----: | ------: | ----: | ----: |",
        "| imu       |     9 |       3 | 1.000 | 1.000 |",
        "| by chance |       |         | 0.333 | 1.000 |",
    ]


def test_fewshot_is_a_markdown_table() -> None:
    few = ProbeFigures(1, 5, 50, 0.5, 0.025, 0.9, 1e-3)
    every = ProbeFigures(None, 1, 1200, 0.75, None, 0.95, 1e-4)
    assert fewshot_text(FewShot(Modality.AUDIO, "train", 0, 400, 50, 0, 0.02, 0.1, (few, every))).split(
        "\n"
    ) == [
        "| examples a label | examples | draws | items | classes | top-1 | spread | top-5 |",
        "| ---------------- | -------: | ----: | ----: | ------: | ----: | -----: | ----: |",
        "| 1                |       50 |     5 |   400 |      50 | 0.500 |  0.025 | 0.900 |",
        "| all              |    1,200 |     1 |   400 |      50 | 0.750 |        | 0.950 |",
        "| by chance        |          |       |       |         | 0.020 |        | 0.100 |",
    ]


def test_narrow_columns_still_have_a_rule() -> None:
    assert table([("", "a"), ("b", 1)]).split("\n")[1] == "| --- | --: |"


def test_emergent_pairs_are_told() -> None:
    direction = Direction(Modality.AUDIO, Modality.DEPTH, *[1] * 11)
    told = retrieval_text([direction], "tiny", True).split("\n\n")[1]
    assert told == "Emergent: tiny was never trained on audio and depth together."
    assert "mergent" not in retrieval_text([direction], "tiny", False)
    assert "mergent" not in retrieval_text([direction], "tiny", None)


@pytest.mark.parametrize(
    ("content", "pairs"),
    [
        ('{"trained_pairs": [["image", "text"], ["depth", "image"]]}', {"image text", "depth image"}),
        ('{"config": {"trained_pairs": [["video", "text"]]}}', {"image text"}),
        ('{"trained_pairs": []}', set()),
        ("{}", None),
        ("[]", None),
        ("no JSON", None),
        ('{"trained_pairs": [["image", "smell"]]}', None),
        ('{"trained_pairs": [["image"]]}', None),
        ('{"trained_pairs": 3}', None),
    ],
)
def test_a_manifest_may_tell_which_pairs_were_trained(
    tmp_path: Path, content: str, pairs: set[str] | None
) -> None:
    (tmp_path / "manifest.json").write_text(content)
    found = trained_pairs(tmp_path)
    assert (found if found is None else {" ".join(sorted(pair)) for pair in found}) == pairs


@pytest.mark.parametrize(
    ("source", "target", "emergent"),
    [
        (Modality.IMAGE, Modality.DEPTH, False),
        (Modality.IMU, Modality.VIDEO, False),
        (Modality.TEXT, Modality.AUDIO, True),
        (Modality.AUDIO, Modality.DEPTH, True),
    ],
)
def test_imagebind_was_trained_on_pictures_with_each_other_modality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Modality, target: Modality, emergent: bool
) -> None:
    monkeypatch.setenv("BINDSEARCH_MODELS", str(tmp_path))
    (tmp_path / "imagebind-huge").mkdir()
    (tmp_path / "imagebind-huge" / "manifest.json").write_text(offers()["imagebind-huge"].to_json())
    assert is_emergent("imagebind-huge@bfloat16", source, target) is emergent


def test_a_manifest_that_a_spreadsheet_wrote_is_read(tmp_path: Path) -> None:
    manifest = walks(tmp_path)
    manifest.write_bytes(
        b"\xef\xbb\xbf" + manifest.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    )
    assert figures("zeroshot", "--manifest", manifest, "--modality", "imu")["items"] == 9


def test_a_folder_without_a_manifest_tells_nothing(tmp_path: Path) -> None:
    assert trained_pairs(tmp_path) is None


def test_of_an_unknown_space_nothing_is_said() -> None:
    assert is_emergent("vast", Modality.AUDIO, Modality.DEPTH) is None

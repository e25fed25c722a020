"""What names tell by habit, on the layouts of public data sets and of cameras."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.loaders.habits import habit
from bindsearch.modality import Modality

DEPTH, HEAT = Modality.DEPTH, Modality.THERMAL


def told(path: str) -> Modality | None:
    pure = PurePath(path)
    return habit((*pure.parts[:-1], pure.stem), pure.suffix)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        # folders beside each other, as data sets of pairs have them
        ("thermal/thermal/irs_170.jpg", HEAT),
        ("thermal/rgb/irs_170.jpg", None),
        ("thermal/thermal/road_FLIR_05697.jpg", HEAT),
        ("thermal/rgb/road_FLIR_05697.jpg", None),
        ("thermal/rgb/road_FLIR_video_00727.jpg", None),
        ("depth_nyuv2/depth/0000.png", DEPTH),
        ("depth_nyuv2/rgb/0000.jpg", None),
        ("imu/depth/x.png", DEPTH),
        ("M3FD/Ir/00000.png", HEAT),
        ("M3FD/Vis/00000.png", None),
        ("LLVIP/infrared/train/010001.jpg", HEAT),
        ("LLVIP/visible/train/010001.jpg", None),
        ("FLIR_ADAS/images_thermal_train/data/video-1-frame-1.jpg", HEAT),
        ("FLIR_ADAS/images_rgb_train/data/video-1-frame-1.jpg", None),
        ("kaist/set00/V000/lwir/I00001.jpg", HEAT),
        ("kaist/set00/V000/visible/I00001.jpg", None),
        # 7-Scenes, TUM RGB-D, ScanNet, KITTI (in part), SUN RGB-D, DIODE
        ("chess/seq-01/frame-000000.depth.png", DEPTH),
        ("chess/seq-01/frame-000000.color.png", None),
        ("rgbd_dataset_freiburg1_xyz/depth/1305031102.160407.png", DEPTH),
        ("rgbd_dataset_freiburg1_xyz/rgb/1305031102.175304.png", None),
        ("scene0000_00/depth/0.png", DEPTH),
        ("scene0000_00/color/0.jpg", None),
        ("2011_09_26/proj_depth/groundtruth/0005.png", DEPTH),
        ("kv1/NYUdata/NYU0001/depth_bfx/NYU0001.png", DEPTH),
        ("kv1/NYUdata/NYU0001/image/NYU0001.jpg", None),
        ("indoors/scene_00019/00019_indoors_000_010_depth.npy", DEPTH),
        # names that programs and cameras give
        ("IR_0001.jpg", HEAT),
        ("DCIM/IR_0001.jpg", HEAT),
        ("FLIR1234.jpg", HEAT),
        ("DCIM/100_FLIR/FLIR1234.jpg", HEAT),
        ("flir/DC_0002.jpg", HEAT),
        ("thermal_12.jpg", HEAT),
        ("depth_map_0001.tiff", DEPTH),
        ("depthMap01.png", DEPTH),
        ("leftDepth.exr", DEPTH),
        ("roomDEPTH12.pfm", DEPTH),
        ("IRCamera/1.png", HEAT),
        ("RGBImages/depthless.png", None),
        ("thermalImages/0001.png", HEAT),
        ("Thermography2023/0001.tif", HEAT),
        ("Depth of field.jpg", DEPTH),  # a photo by its content, all the same
        ("scan.DEPTH.PNG", DEPTH),
        # words that only look like one
        ("first.jpg", None),
        ("fire/air.jpg", None),
        ("in-depthness/x.png", None),
        ("hypothermal/x.png", None),
        ("holiday/beach.jpg", None),
        ("x.jpg", None),
    ],
)
def test_names_tell_what_they_mean_by_habit(path: str, expected: Modality | None) -> None:
    assert told(path) is expected


def test_a_name_that_tells_of_both_tells_nothing_and_the_next_decides() -> None:
    assert told("depth_and_thermal.png") is None
    assert told("thermal/depth_thermal.png") is HEAT


def test_the_nearest_name_that_tells_decides() -> None:
    assert told("thermal/depth/1.png") is DEPTH
    assert told("depth/thermal/1.png") is HEAT
    assert told("depth/rgb/1.png") is None
    assert told("rgb/depth_1.png") is DEPTH


def test_three_folders_are_looked_at_and_no_more() -> None:
    assert told("depth/a/b/1.png") is DEPTH
    assert told("depth/a/b/c/1.png") is None


@pytest.mark.parametrize("suffix", [".txt", ".md", ".mp4", ".wav", ".csv", ".json", ".zip", "", ".2024"])
def test_what_is_neither_picture_nor_map_has_no_habit(suffix: str) -> None:
    assert habit(("depth", "depth_1"), suffix) is None


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5), st.sampled_from([".png", ".npy", ".jpg"]))
def test_any_names_are_answered(parts: list[str], suffix: str) -> None:
    assert habit(tuple(parts), suffix) in (None, DEPTH, HEAT)

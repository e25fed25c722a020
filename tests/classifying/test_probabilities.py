"""Probabilities: they sum to one, leave room for none, and mean the same whatever the space's cosines are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bindsearch.classifying.labels import Labels, clean_name, clean_names, read_labels
from bindsearch.classifying.probabilities import MEASURED, Calibration, estimated, measured, probabilities
from bindsearch.encoders import Vectors, describe_space
from bindsearch.errors import SettingsError
from bindsearch.modality import Modality
from tests.tiny import TinyEncoder

ROW = st.lists(st.floats(-1, 1), min_size=1, max_size=6)


@given(ROW, st.floats(0.1, 100), st.floats(-1, 1))
def test_labels_and_none_make_one(cosines: list[float], scale: float, level: float) -> None:
    found = probabilities(np.array([cosines]), Calibration(scale, level))
    assert found.shape == (1, len(cosines) + 1)
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


def test_a_label_at_the_level_is_as_likely_as_none() -> None:
    found = probabilities(np.array([[0.4]]), Calibration(20.0, 0.4))
    assert found.tolist() == [[0.5, 0.5]]


def test_the_greater_cosine_is_the_likelier_label() -> None:
    found = probabilities(np.array([[0.5, 0.3, 0.1], [-0.2, -0.3, -0.1]]), Calibration(20.0, 0.35))
    assert found[0].argmax() == 0
    assert found[1].argmax() == 3  # none


def test_an_estimate_does_not_care_how_close_together_a_space_holds_everything() -> None:
    rng = np.random.default_rng(0)
    everyday, item, label = rng.normal(size=(70, 40)), rng.normal(size=40), rng.normal(size=40)
    label += 2.0 * item

    rows = np.vstack([everyday, item, label])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)

    def chance(shared: float) -> float:
        """The label's probability where a direction that all unit vectors share makes so much of each."""
        own = np.sqrt(1 - shared**2)
        units = np.hstack([own * rows, np.full((72, 1), shared)]).astype(np.float32)
        calibration = estimated(units[70:71], units[:70])
        return float(probabilities(units[70:71] @ units[71:].T, calibration)[0, 0])

    assert chance(0.0) > 0.5
    for shared in (0.3, 0.7, 0.95):
        assert chance(shared) == pytest.approx(chance(0.0), abs=0.01)


def test_calibrations_are_of_the_revision_that_is_shipped() -> None:
    shipped = describe_space("compact")
    known = MEASURED[shipped.id, shipped.revision]
    assert set(known) == shipped.modalities - {Modality.TEXT}


def test_another_space_has_no_measured_calibration(encoder: TinyEncoder) -> None:
    assert measured(encoder.space, Modality.IMAGE) is None


def test_labels_without_a_fit_leave_none_the_likeliest(encoder: TinyEncoder) -> None:
    labels = Labels(encoder, ["red", "blue"])
    red = np.array([[1.0] + [0.0] * 15], np.float32)
    grey: Vectors = np.array([[0.0] * 15 + [1.0]], np.float32)
    assert labels.probabilities(Modality.IMAGE, red)[0].argmax() == 0
    assert labels.probabilities(Modality.IMAGE, grey)[0].argmax() == 2


def test_words_are_embedded_once(encoder: TinyEncoder) -> None:
    labels = Labels(encoder, ["red", "blue"], ["a {} thing"])
    items = np.eye(2, 16, dtype=np.float32)
    first = labels.probabilities(Modality.IMAGE, items)
    encoded = encoder.encoded
    assert np.array_equal(labels.probabilities(Modality.AUDIO, items), first)
    assert encoder.encoded == encoded


def test_a_template_without_a_place_is_refused(encoder: TinyEncoder) -> None:
    with pytest.raises(SettingsError, match="no place for the label"):
        Labels(encoder, ["red"], ["a photo"])


def test_names_are_composed_stripped_and_on_one_line() -> None:
    assert clean_name("  cafe\u0301\n  bar ") == "caf\u00e9 bar"


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_a_name_of_nothing_is_refused(empty: str) -> None:
    with pytest.raises(SettingsError, match="this is no name"):
        clean_name(empty)


def test_names_that_differ_in_case_only_are_one() -> None:
    assert clean_names(["Dog", "cat", "DOG"]) == ("Dog", "cat")


def test_labels_come_from_a_list_and_from_lines() -> None:
    assert read_labels(" dog, a cat,,", "# birds\n\nowl\n  a jay \n") == ("dog", "a cat", "owl", "a jay")


@pytest.mark.parametrize(("listed", "lines"), [(None, None), (",", None), (None, "# only\n\n")])
def test_no_labels_at_all_are_refused(listed: str | None, lines: str | None) -> None:
    with pytest.raises(SettingsError, match="no label to choose from"):
        read_labels(listed, lines)

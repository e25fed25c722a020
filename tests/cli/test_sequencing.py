"""What ``search`` is asked of time on a command line, and how sequences and neighbours are printed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from bindsearch.answers import Hit, MomentSequence, Neighbour, State
from bindsearch.cli.following import SequenceOptions
from bindsearch.cli.options import expanded
from bindsearch.cli.sequencing import format_signed, write_neighbours, write_sequences
from bindsearch.cli.tables import place
from bindsearch.errors import QueryError
from bindsearch.modality import Modality


def hit(path: str, modality: Modality = Modality.IMAGE, **known: Any) -> Hit:
    nothing = dict.fromkeys(("start", "end", "first_line", "last_line", "text", "taken_at"))
    rest = {"state": State.PRESENT, "other_paths": (), "segment_id": 7, "sha256": "00"}
    return Hit(**{"score": 0.25, "path": Path(path), "modality": modality, **nothing, **rest, **known})


BARK = hit("/m/dog.wav", Modality.AUDIO, start=65.0, end=70.0, taken_at=0.0, standing=5.0)
DOOR = hit("/m/door.jpg", taken_at=366.0, standing=4.5, score=0.3)
LATER = hit("/m/tab\there.txt", Modality.TEXT, first_line=3, last_line=4, text="a door\nopens", standing=9.0)
SEQUENCES = [
    MomentSequence((BARK, DOOR, LATER), (296.0, 0.0), 0.25, 4.5),
    MomentSequence((DOOR, LATER), (86_400.0,), 0.25, None),
]
NEIGHBOURS = [
    Neighbour(
        offset,
        offset,
        *(Path("/m/door.jpg"), Modality.IMAGE, None, None, None, None, None, 366.0, State.OFFLINE, (), 8),
    )
    for offset in (-12.4, 0.0, 4000.0)
]


def asked(*arguments: str) -> tuple[list[str] | None, SequenceOptions]:
    """What a command takes from a command line."""
    app = typer.Typer()
    got: list[tuple[list[str] | None, SequenceOptions]] = []

    @app.command()
    @expanded
    def search(query: Annotated[list[str] | None, typer.Argument()] = None, *, time: SequenceOptions) -> None:
        """Search."""
        got.append((query, time))

    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return got[0]


def test_parts_come_in_the_order_of_time_with_what_all_comes_before_last() -> None:
    query, options = asked("a", "+", "b", "--then", "c - d", "--before", "f", "--then", "e")
    assert options.is_sequence and options.asked
    assert options.queries(query or []) == [["a", "+", "b"], ["c - d"], ["e"], ["f"]]


def test_around_takes_a_hit_and_a_span_and_needs_no_query() -> None:
    query, options = asked("--around", "@1234", "5m")
    assert (not query, options.around) == (True, ("@1234", "5m"))
    assert options.asked and not options.is_sequence


def test_nothing_is_asked_of_time_by_default() -> None:
    assert not asked("a dog")[1].asked


@pytest.mark.parametrize("arguments", [("--then", "a"), ("a", "--then", "b", "--around", "@1", "5m")])
def test_what_does_not_go_together_is_refused(arguments: tuple[str, ...]) -> None:
    query, options = asked(*arguments)
    with pytest.raises(QueryError):
        options.queries(query or [])


def test_each_sequence_is_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    write_sequences(SEQUENCES)
    first, second = (line.split("\t") for line in capsys.readouterr().out.splitlines())
    bark, door = ["audio", "1:05-1:10", "/m/dog.wav"], ["image", "-", "/m/door.jpg"]
    text = ["text", "lines 3-4", r"/m/tab\there.txt"]
    assert first == ["4.500", *bark, "+4:56", *door, "0:00", *text]
    assert second == ["0.250", *door, "+24:00:00", *text]


def test_json_holds_every_moment_and_the_gaps_between(capsys: pytest.CaptureFixture[str]) -> None:
    write_sequences(SEQUENCES, as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert [moment["path"] for moment in first["moments"]] == [
        "/m/dog.wav",
        "/m/door.jpg",
        "/m/tab\there.txt",
    ]
    assert (first["gaps"], first["score"], first["standing"]) == ([296.0, 0.0], 0.25, 4.5)
    assert second["standing"] is None
    assert first["moments"][0]["start"] == 65.0


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (False, b"/m/dog.wav\0/m/door.jpg\0/m/tab\there.txt\0"),
        (True, b"/m/dog.wav\0/m/door.jpg\0"),  # what it came before is a condition
    ],
)
def test_paths_come_once_each(
    capfdbinary: pytest.CaptureFixture[bytes], before: bool, expected: bytes
) -> None:
    write_sequences(SEQUENCES, null=True, before=before)
    assert capfdbinary.readouterr().out == expected


def test_neighbours_are_lines_with_a_sign(capsys: pytest.CaptureFixture[str]) -> None:
    write_neighbours(NEIGHBOURS)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["-0:12", "0:00", "+1:06:40"]
    assert lines[0][1:] == ["image", "-", "/m/door.jpg"]
    write_neighbours(NEIGHBOURS, as_json=True)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["offset"] for record in records] == [-12.4, 0.0, 4000.0]
    assert records[0]["state"] == "offline"


def test_on_a_terminal_they_are_tables(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    write_sequences(SEQUENCES)
    write_neighbours(NEIGHBOURS)
    said = capsys.readouterr().out
    assert all(word in said for word in ("score", "gap", "+4:56", "dog.wav", "a door opens", "1:05-1:10"))
    assert all(word in said for word in ("offset", "-0:12", "+1:06:40", "(offline)"))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0:00"), (0.4, "0:00"), (-0.4, "0:00"), (0.6, "+0:01"), (-3600.0, "-1:00:00"), (299.0, "+4:59")],
)
def test_distances_in_time_have_a_sign(seconds: float, shown: str) -> None:
    assert format_signed(seconds) == shown


def test_a_single_line_is_no_range() -> None:
    assert place(hit("/m/a.txt", Modality.TEXT, first_line=3, last_line=3)) == "line 3"

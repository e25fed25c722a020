"""Filters against a plain reference: the same rows, judged one at a time in Python."""

from __future__ import annotations

import math
import os
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert

from bindsearch.conditions import All, AnyOf, Condition, Fact, Key, Not, negate, parse_condition
from bindsearch.errors import QueryError
from bindsearch.index.catalog import Catalog
from bindsearch.index.filters import Filter, select_vectors, wanted_contents
from bindsearch.index.schema import contents, locations, roots, segments, spaces, tags, vectors
from bindsearch.modality import Modality

ROOTS = {1: "/data/Pictures", 2: "/mnt/disk"}
NAMES = (
    *(
        "a.jpg",
        "B.JPG",
        "raw/c.nef",
        "2023/raw/x/d.nef",
        "2023/06 Rome/e.mp4",
        "notes.txt",
        "raw",
        "f[1].png",
    ),
    *(
        os.fsdecode(b"caf\xe9/\xff.jpg"),
        "café/g.jpg",
        unicodedata.normalize("NFD", "café/h.jpg"),
        "new\nline.wav",
    ),
)
CAMERAS = (None, "Canon EOS R6", "Apple iPhone 13", "Ärger 1")
TAGS = ("beach", "Dog", "animal/cat", "früh")


@dataclass
class Item:
    """One content of the reference."""

    id: int
    kinds: list[Modality]
    taken_at: float | None
    place: tuple[float, float] | None
    duration: float | None
    size: int
    camera: str | None
    tags: set[str]
    paths: list[tuple[int, str, str, float]]
    first_vector: int = 0
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def moment(self) -> float | None:
        if self.taken_at is not None:
            return self.taken_at
        return min((mtime for *_, mtime in self.paths), default=None)

    def found(self, offline: bool) -> list[str]:
        """Absolute paths at which it may be found."""
        states = ("present", "offline") if offline else ("present",)
        return [f"{ROOTS[root]}/{path}" for root, path, state, _ in self.paths if state in states]


def random_item(number: int, random: Random) -> Item:
    kinds = random.choice(
        [[Modality.IMAGE], [Modality.TEXT] * 2, [Modality.VIDEO, Modality.AUDIO, Modality.VIDEO]]
    )
    moment = random.choice([None, random.uniform(-1e9, 2e9), random.uniform(1.6e9, 1.7e9), 0.0])
    place = random.choice(
        [None, (random.uniform(-90, 90), random.uniform(-180, 180)), (48.1, 11.5), (0.0, 180.0)]
    )
    return Item(
        number,
        kinds,
        moment,
        place,
        random.choice([None, 0.0, 10.0, random.uniform(0, 300)]),
        random.choice([0, 1000, random.randrange(10**7)]),
        random.choice(CAMERAS),
        set(random.sample(TAGS, random.randrange(3))),
        [
            (
                root,
                f"{number}-{n}/{random.choice(NAMES)}",
                random.choice(["present"] * 3 + ["offline", "missing"]),
                mtime,
            )
            for n, root, mtime in (
                (n, random.choice([1, 2]), random.randrange(10**9)) for n in range(random.randrange(3))
            )
        ],
    )


@contextmanager
def catalog_of(folder: Path, items: list[Item], gap: int = 1) -> Iterator[Connection]:
    """A catalog of ``items``; vector ids are ``gap`` apart, every third segment has one in another space."""
    catalog = Catalog.create(folder)
    with catalog.write() as session:
        session.execute(insert(roots), [{"id": n, "path": path, "added_at": 0} for n, path in ROOTS.items()])
        row = {"revision": "1", "weights_sha256": "", "dimensions": 1, "preprocessing": "", "added_at": 0}
        session.execute(insert(spaces), [{"id": n, "key": f"k{n}", "name": f"s{n}", **row} for n in (1, 2)])
        number = 0
        for item in items:
            session.execute(insert(contents).values(row_of(item)))
            for n, (root, path, state, mtime) in enumerate(item.paths):
                place = {"root_id": root, "content_id": item.id, "path": path, "state": state, "size": 1}
                place |= {"mtime_ns": int(mtime * 1e9), "inode": item.id * 10 + n, "device": 1}
                session.execute(insert(locations).values(place))
            for name in item.tags:
                tag = {"content_id": item.id, "name": name, "source": "hand", "added_at": 0}
                session.execute(insert(tags).values(tag))
            item.first_vector = number + gap
            for ordinal, kind in enumerate(item.kinds):
                segment = {"content_id": item.id, "ordinal": ordinal, "modality": kind}
                made = session.execute(insert(segments).values(segment)).inserted_primary_key[0]
                number += gap
                vector = {"segment_id": made, "data": b"\0\0"}
                session.execute(insert(vectors).values(id=number, space_id=1, **vector))
                if made % 3 == 0:
                    session.execute(insert(vectors).values(id=number + 10**6, space_id=2, **vector))
    try:
        with catalog.read() as connection:
            yield connection
    finally:
        catalog.close()


def row_of(item: Item) -> dict[str, Any]:
    north, east = item.place or (None, None)
    row = {"id": item.id, "identity": str(item.id).encode(), "size": item.size, "modality": item.kinds[0]}
    row |= {"format": "jpeg" if item.kinds[0] is Modality.IMAGE else "other", "taken_at": item.taken_at}
    row |= {"latitude": north, "longitude": east, "duration": item.duration, "camera": item.camera}
    return row | {"added_at": 0.0}


def metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Along the great circle, from unit vectors: another formula than the one that is tested."""

    def unit(place: tuple[float, float]) -> np.ndarray:
        north, east = map(math.radians, place)
        return np.array([math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)])

    u, v = unit(a), unit(b)
    return 6_371_008.8 * math.atan2(float(np.linalg.norm(np.cross(u, v))), float(u @ v))


def clock(item: Item) -> datetime:
    return datetime.fromtimestamp(item.moment) if item.moment is not None else datetime.max


def hour(item: Item) -> float:
    shown = clock(item)
    return shown.hour + shown.minute / 60 + (shown.second + shown.microsecond / 1e6) / 3600


def names_of(item: Item) -> list[list[str]]:
    """Per path that is present: the root's name and what is below it, small and joined."""
    paths = [
        (ROOTS[root].rpartition("/")[2], path) for root, path, state, _ in item.paths if state == "present"
    ]
    return [unicodedata.normalize("NFC", f"{root}/{path}").lower().split("/") for root, path in paths]


def known(test: Callable[[Item], bool]) -> Callable[[Item, Modality], bool]:
    return lambda item, _: item.moment is not None and test(item)


def near(north: float, east: float, radius: float) -> Callable[[Item, Modality], bool]:
    return lambda item, _: item.place is not None and metres(item.place, (north, east)) <= radius


# What each fact means, said once more.
REFERENCE: dict[str, Callable[[Item, Modality], bool]] = {
    "type:image": lambda _, kind: kind is Modality.IMAGE,
    "type:audio": lambda _, kind: kind is Modality.AUDIO,
    "time:2021": known(lambda item: clock(item).year == 2021),
    "time:2020-06..2022": known(lambda item: datetime(2020, 6, 1) <= clock(item) < datetime(2023, 1, 1)),
    "time:..1980": known(lambda item: clock(item).year <= 1980),
    'time:"winter 2020"': known(lambda item: datetime(2020, 12, 1) <= clock(item) < datetime(2021, 3, 1)),
    "time:june": known(lambda item: clock(item).month == 6),
    "time:winter": known(lambda item: clock(item).month in (12, 1, 2)),
    'time:"new year"': known(lambda item: (clock(item).month, clock(item).day) in ((12, 31), (1, 1))),
    "time:morning": known(lambda item: 6 <= hour(item) < 12),
    "time:22:30-2:15": known(lambda item: hour(item) >= 22.5 or hour(item) < 2.25),
    "time:weekend": known(lambda item: clock(item).weekday() >= 5),
    "time:sun-tue": known(lambda item: clock(item).weekday() in (6, 0, 1)),
    "near:48.1,11.5": near(48.1, 11.5, 1000),
    "near:0,-179.9,100km": near(0, -179.9, 100_000),
    "near:90,0,5000km": near(90, 0, 5_000_000),
    "near:-89.9,10,9000miles": near(-89.9, 10, 9000 * 1609.344),
    "duration:10s": lambda item, _: item.duration == 10,
    'duration:">10"': lambda item, _: item.duration is not None and item.duration > 10,
    "duration:10s-2m": lambda item, _: item.duration is not None and 10 <= item.duration <= 120,
    'size:"<=1kB"': lambda item, _: item.size <= 1000,
    "camera:CANON": lambda item, _: item.camera == "Canon EOS R6",
    'camera:"*1*"': lambda item, _: item.camera in ("Apple iPhone 13", "Ärger 1"),
    "camera:ärg": lambda item, _: item.camera == "Ärger 1",
    "format:JPEG": lambda item, _: item.kinds[0] is Modality.IMAGE,
    "tag:dog": lambda item, _: "Dog" in item.tags,
    "tag:animal": lambda item, _: False,
    "tag:animal/*": lambda item, _: "animal/cat" in item.tags,
    "has:place": lambda item, _: item.place is not None,
    "has:time": lambda item, _: item.taken_at is not None,
    "has:duration": lambda item, _: item.duration is not None,
    "has:camera": lambda item, _: item.camera is not None,
    "has:tag": lambda item, _: bool(item.tags),
    "root:pic*": lambda item, _: any(names[0] == "pictures" for names in names_of(item)),
    "root:/mnt/disk": lambda item, _: any(names[0] == "disk" for names in names_of(item)),
    "in:/data": lambda item, _: any(names[0] == "pictures" for names in names_of(item)),
    "path:*.jpg": lambda item, _: any(n.endswith(".jpg") for names in names_of(item) for n in names),
    "path:raw": lambda item, _: any("raw" in names for names in names_of(item)),
    "path:raw/": lambda item, _: any("raw" in names[:-1] for names in names_of(item)),
    "path:*/raw/*": lambda item, _: any("raw" in names[1:-1] for names in names_of(item)),
    "path:2023/**/d.nef": lambda item, _: any(n[-1] == "d.nef" and "2023" in n for n in names_of(item)),
    "path:disk/*/raw": lambda item, _: any(n[0] == "disk" and n[2:3] == ["raw"] for n in names_of(item)),
    "path:/data/**/?.JPG": lambda item, _: any(
        n[0] == "pictures" and any(len(one) == 5 and one.endswith(".jpg") for one in n)
        for n in names_of(item)
    ),
    "path:café": lambda item, _: any("café" in names for names in names_of(item)),
    'path:"f[[]1].png"': lambda item, _: any("f[1].png" in names for names in names_of(item)),
    "path:[a-b].jpg": lambda item, _: any({"a.jpg", "b.jpg"} & set(names) for names in names_of(item)),
    "path:[!a-b].jpg": lambda item, _: any(
        len(n) == 5 and n.endswith(".jpg") and n[0] not in "ab" for names in names_of(item) for n in names
    ),
    'path:"new*.wav"': lambda item, _: any("new\nline.wav" in names for names in names_of(item)),
    "path:Pictures/**": lambda item, _: any(names[0] == "pictures" for names in names_of(item)),
}
FACTS = {text: parse_condition(text) for text in REFERENCE}


def holds(condition: Condition, item: Item, kind: Modality) -> bool:
    match condition:
        case Not(part):
            return not holds(part, item, kind)
        case All(parts):
            return all(holds(part, item, kind) for part in parts)
        case AnyOf(parts):
            return any(holds(part, item, kind) for part in parts)
    text = next(text for text, fact in FACTS.items() if fact == condition)
    return REFERENCE[text](item, kind)


def expected(items: list[Item], wanted: Filter, gap: int = 1) -> list[int]:
    return [
        item.first_vector + n * gap
        for item in items
        for n, kind in enumerate(item.kinds)
        if item.found(wanted.offline)
        and (not wanted.modalities or kind in wanted.modalities)
        and (wanted.since is None or (item.moment is not None and item.moment >= wanted.since))
        and (wanted.until is None or (item.moment is not None and item.moment < wanted.until))
        and (
            not wanted.folders
            or any(p.startswith(f"{f}/") for p in item.found(wanted.offline) for f in wanted.folders)
        )
        and (wanted.where is None or holds(wanted.where, item, kind))
    ]


def selected(catalog: Connection, wanted: Filter) -> list[int]:
    selection = select_vectors(catalog, 1, wanted)
    assert selection.only is not None
    assert selection.only.dtype == np.int64
    return selection.only.tolist()


@pytest.fixture(autouse=True, scope="module")
def berlin() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return [random_item(number, Random(number)) for number in range(1, 400)]


@pytest.fixture(scope="module")
def catalog(items: list[Item], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with catalog_of(tmp_path_factory.mktemp("library"), items) as connection:
        yield connection


@dataclass(frozen=True, repr=False)
class World:
    """A catalog and what is in it, with a short repr for reports."""

    catalog: Connection
    items: list[Item]


@pytest.fixture(scope="module")
def world(catalog: Connection, items: list[Item]) -> World:
    return World(catalog, items)


@pytest.mark.parametrize("text", REFERENCE)
def test_each_fact_is_what_the_reference_says(text: str, catalog: Connection, items: list[Item]) -> None:
    wanted = Filter(where=FACTS[text])
    found = selected(catalog, wanted)
    assert found == expected(items, wanted)
    assert bool(found) is (text != "tag:animal")  # so that none of them is only tested by its absence


_quick = settings(
    max_examples=60, deadline=None, phases=[phase for phase in Phase if phase is not Phase.shrink]
)
_trees = st.recursive(
    st.sampled_from(list(FACTS.values())),
    lambda parts: (
        parts.map(negate)
        | st.lists(parts.filter(lambda one: not isinstance(one, All)), min_size=2, max_size=3).map(
            lambda some: All(tuple(some))
        )
        | st.lists(parts.filter(lambda one: not isinstance(one, AnyOf)), min_size=2, max_size=3).map(
            lambda some: AnyOf(tuple(some))
        )
    ),
    max_leaves=8,
)
_no_paths = _trees.filter(lambda tree: not any(key in str(tree) for key in ("path:", "root:", "in:")))
_filters = st.builds(
    Filter,
    modalities=st.frozensets(st.sampled_from([Modality.IMAGE, Modality.TEXT, Modality.AUDIO, Modality.IMU])),
    folders=st.lists(st.sampled_from([*ROOTS.values(), "/data", "/elsewhere"]), max_size=2).map(tuple),
    since=st.none() | st.floats(0, 2e9),
    until=st.none() | st.floats(0, 2e9),
    offline=st.just(False),
    where=st.none() | _trees,
)
_elsewhere = st.builds(
    Filter,
    offline=st.just(True),
    modalities=st.sampled_from([frozenset(), {Modality.TEXT}]).map(frozenset),
    where=st.none() | _no_paths,
)


@_quick
@given(wanted=_filters.filter(lambda one: not one.only_hides) | _elsewhere)
def test_any_filter_is_what_the_reference_says(wanted: Filter, world: World) -> None:
    right = expected(world.items, wanted)
    assert selected(world.catalog, wanted) == right
    masks = wanted_contents(world.catalog, wanted)
    found = [
        item.first_vector + n
        for item in world.items
        for n, kind in enumerate(item.kinds)
        if any(mask[item.id] and (not kinds or kind in kinds) for mask, kinds in masks)
    ]
    assert found == right


@_quick
@given(a=_trees, b=_trees)
def test_and_or_not_are_those_of_sets(a: Condition, b: Condition, world: World) -> None:
    catalog = world.catalog
    everything = set(selected(catalog, Filter(where=parse_condition("size:0B-1000GB"))))

    def of(text: str) -> set[int]:
        return set(selected(catalog, Filter(where=parse_condition(text))))

    assert of(f"({a}) and ({b})") == of(str(a)) & of(str(b))
    assert of(f"({a}) ({b})") == of(str(a)) & of(str(b))
    assert of(f"({a}) or ({b})") == of(str(a)) | of(str(b))
    assert of(f"not ({a})") == everything - of(str(a))


def test_an_empty_filter_only_leaves_out_what_is_not_there(catalog: Connection, items: list[Item]) -> None:
    selection = select_vectors(catalog, 1, Filter())
    assert selection.without is not None
    missing = [
        item.first_vector + n for item in items if not item.found(False) for n in range(len(item.kinds))
    ]
    assert sorted(selection.without.tolist()) == missing != []


def test_an_empty_catalog_has_nothing_to_select(tmp_path: Path) -> None:
    with catalog_of(tmp_path, []) as catalog:
        for text in FACTS:
            assert selected(catalog, Filter(where=parse_condition(f"not ({text})"))) == []


def test_a_space_has_vectors_of_its_own(tmp_path: Path, items: list[Item]) -> None:
    with catalog_of(tmp_path, items[:40], gap=1000) as catalog:
        wanted = Filter(where=parse_condition("not type:audio"))
        assert selected(catalog, wanted) == expected(items[:40], wanted, 1000)
        other = select_vectors(catalog, 2, wanted).only
        assert other is not None and 0 < len(other) < len(expected(items[:40], wanted, 1000))
        assert min(other.tolist()) > 10**6


def test_a_place_with_a_name_has_to_be_looked_up_first(catalog: Connection) -> None:
    with pytest.raises(QueryError, match=r"@12: this place has not been looked up"):
        selected(catalog, Filter(where=Fact(Key.NEAR, "@12")))


def dated(*moments: str) -> list[Item]:
    """One picture for each moment of UTC."""
    seconds = [datetime.fromisoformat(moment + "+00:00").timestamp() for moment in moments]
    where = [(1, f"{n}.jpg", "present", 0.0) for n in range(len(seconds))]
    return [
        Item(n + 1, [Modality.IMAGE], taken, None, None, 1, None, set(), [where[n]])
        for n, taken in enumerate(seconds)
    ]


@pytest.mark.parametrize(
    ("text", "moments", "found"),
    [
        # 2024-03-31: at 1:00 UTC the clocks in Berlin go from 2:00 to 3:00.
        ("time:1:00-3:00", ["2024-03-31 00:59:59", "2024-03-31 01:00:00", "2024-03-30 23:59:59"], [1]),
        ("time:3:00-4:00", ["2024-03-31 00:59:59", "2024-03-31 01:00:00", "2024-03-31 02:00:00"], [2]),
        # 2024-10-27: at 1:00 UTC they go from 3:00 to 2:00, and the hour from 2:00 comes twice.
        ("time:2:00-3:00", ["2024-10-27 00:30:00", "2024-10-27 01:30:00", "2024-10-27 02:30:00"], [1, 2]),
        ("time:night", ["2024-01-01 20:59:59", "2024-01-01 21:00:00", "2024-01-02 04:59:59"], [2, 3]),
        ("time:monday", ["2024-06-02 21:59:59", "2024-06-02 22:00:00", "2024-06-03 22:00:00"], [2]),
        ("time:february", ["2024-02-28 22:59:59", "2024-02-29 12:00:00", "2024-02-29 23:00:00"], [1, 2]),
        ("time:2024-02-29", ["2024-02-28 22:59:59", "2024-02-28 23:00:00", "2024-02-29 22:59:59"], [2, 3]),
        ('time:"winter 2023"', ["2023-11-30 22:59:59", "2023-11-30 23:00:00", "2024-02-29 22:59:59"], [2, 3]),
        (
            'time:"new year 2023"',
            ["2023-12-30 23:00:00", "2024-01-01 22:59:59", "2024-01-01 23:00:00"],
            [1, 2],
        ),
        ("time:morning", ["0001-01-01 12:00:00", "9999-12-31 23:59:59", "1900-06-01 08:00:00"], [3]),
    ],
)
def test_times_are_those_of_the_clocks_here(
    text: str, moments: list[str], found: list[int], tmp_path: Path
) -> None:
    with catalog_of(tmp_path, dated(*moments)) as catalog:
        assert selected(catalog, Filter(where=parse_condition(text))) == found

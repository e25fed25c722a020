"""Forty written queries to one library of many sets: what is found, shown as a person would look at it.

The test rows of every set in a folder of data sets are copied under numbers, so that no name tells what a
file holds; windows of motion become CSV logs, captions become notes. What each file is stands in a table
outside that folder, from which hits are described and judged: a hit fits if its label or captions hold the
words that the query's entry in forty_queries.toml asks for. Nothing but the bytes reaches the library.

    python benchmarks/forty_queries.py --data DIR [--space compact] [--work .cache/forty_queries] > queries.md

Copies and library are kept in the folder --work and used again; a query for a modality that the space does
not embed yet is passed over with a line that says so.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import random
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bindsearch.encoders import open_encoder
from bindsearch.errors import QueryError
from bindsearch.evaluation.arrays import MotionArrays
from bindsearch.evaluation.report import table
from bindsearch.index.filters import Filter
from bindsearch.index.hits import Hit
from bindsearch.ingest.library import Library
from bindsearch.modality import Modality

ROOT = Path(__file__).resolve().parents[1]
QUERIES = Path(__file__).with_suffix(".toml")
SHOWN = 10
CAPTION = 60  # characters of a caption in a table
# Sets whose captions are sentences that a person might note; the others' are labels in a frame of words.
NOTED = ("captions_flickr8k", "audio_esc50", "audio_animals", "audio_speech_music", "thermal", "imu")
FOLDERS = {
    Modality.IMAGE: "a",
    Modality.AUDIO: "b",
    Modality.DEPTH: "c",
    Modality.THERMAL: "d",
    Modality.IMU: "e",
    Modality.TEXT: "f",
}
RULES = """\
[[rule]]
files = "/c/"
modality = "depth"
unit = "mm"

[[rule]]
files = "/d/"
modality = "thermal"
unit = "grey"

[[rule]]
files = "/e/"
modality = "imu"
acceleration = "m/s^2"
rotation = "rad/s"
time = "s"
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One file of the library: ``source`` is the row's name, as SET/FILE or SET/FILE#INDEX."""

    source: str
    modality: str
    label: str
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One entry of forty_queries.toml."""

    ask: list[str]
    expect: str
    fits: list[list[str]]
    to: list[str] = field(default_factory=lambda: list(FOLDERS))
    unfit: list[str] = field(default_factory=list)

    def suits(self, item: Item) -> bool:
        """Whether the item's label or captions say what this query looks for."""
        said = " | ".join((item.label, *item.captions)).lower()
        return all(_says(said, group) for group in self.fits) and not _says(said, self.unfit)


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of one query, and how many there are to find in the modalities that it looks in."""

    hits: list[tuple[Hit, Item]]
    right: int
    fitting: int
    candidates: int

    @property
    def best(self) -> int:
        """How many of the hits could fit."""
        return min(SHOWN, self.fitting)


def read_queries(path: Path = QUERIES) -> list[Asked]:
    """All entries, in their order."""
    return [Asked(**entry) for entry in tomllib.loads(path.read_text(encoding="utf-8"))["query"]]


def _says(said: str, words: list[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(word.lower())}(s|es)?(?!\w)", said) for word in words)


def copied(data: Path, work: Path) -> tuple[Path, dict[str, Item]]:
    """The folder of numbered files in ``work``, made anew if the data have changed, and what each is."""
    tree, key = work / "files", work / "files.json"
    manifests = sorted(data.glob("*/manifest.csv"))
    if not manifests:
        sys.exit(f"{data} holds no */manifest.csv")
    stamp = hashlib.sha256(Path(__file__).read_bytes())
    for manifest in manifests:
        stamp.update(manifest.read_bytes())
    kept = json.loads(key.read_text(encoding="utf-8")) if key.is_file() else {}
    if kept.get("made_of") != stamp.hexdigest():
        shutil.rmtree(tree, ignore_errors=True)
        kept = {"made_of": stamp.hexdigest(), "files": _copy(manifests, tree)}
        key.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    items = {
        name: Item(**(said | {"captions": tuple(said["captions"])})) for name, said in kept["files"].items()
    }
    return tree, items


def _copy(manifests: list[Path], tree: Path) -> dict[str, dict[str, object]]:
    items = [(manifest.parent, item) for manifest in manifests for item in _items(manifest)]
    items += [(tree, note) for note in _notes([item for _, item in items])]
    random.Random(0).shuffle(items)  # a number tells nothing either
    for letter in FOLDERS.values():
        (tree / letter).mkdir(parents=True)
    (tree / ".bindsearch.toml").write_text(RULES, encoding="utf-8")
    arrays, files = MotionArrays(), {}
    for number, (folder, item) in enumerate(items):
        name, _, index = item.source.partition("/")[2].partition("#")
        suffix = {Modality.IMU: ".csv", Modality.TEXT: ".txt"}.get(Modality(item.modality))
        path = tree / FOLDERS[Modality(item.modality)] / f"{number:05}{suffix or Path(name).suffix}"
        if item.modality == Modality.TEXT:
            path.write_text(item.captions[0] + "\n", encoding="utf-8")
        elif index:
            _write_log(path, arrays, folder / name, int(index))
        else:
            shutil.copyfile(folder / name, path)
        files[path.relative_to(tree).as_posix()] = asdict(item)
    return files


def _items(manifest: Path) -> Iterator[Item]:
    with manifest.open(encoding="utf-8-sig", newline="") as stream:
        for row in csv.DictReader(stream):
            if row["split"] == "test" and row["modality"] in FOLDERS:
                index = f"#{row['index']}" if row.get("index") else ""
                captions = tuple(text.strip() for text in row["captions"].split(" | ") if text.strip())
                name = f"{manifest.parent.name}/{row['file']}{index}"
                yield Item(name, row["modality"], row["label"], captions)


def _notes(items: list[Item]) -> Iterator[Item]:
    """A note of the first caption of each item, every caption once."""
    seen: set[str] = set()
    for item in items:
        source = item.source.partition("/")[0]
        if source in NOTED and item.captions and item.captions[0] not in seen:
            seen.add(item.captions[0])
            yield Item(f"{source}/note {len(seen)}", Modality.TEXT, item.label, item.captions[:1])


def _write_log(path: Path, arrays: MotionArrays, source: Path, index: int) -> None:
    log = arrays.window(source, index)
    lines = ["t,ax,ay,az,gx,gy,gz"]
    for time, acceleration, rotation in zip(log.times, log.acceleration, log.rotation, strict=True):
        lines.append(f"{time:.2f}," + ",".join(f"{value:.4f}" for value in (*acceleration, *rotation)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def filled(tree: Path, work: Path, space: str) -> Library:
    """The library of ``tree`` in ``space``, brought up to date as ``bindsearch index`` does."""
    library = Library.open(work / f"library-{space}", encoder=open_encoder(space))
    report = library.index([tree])
    print(
        f"{report.indexed:,} files taken in, {report.recognised + report.unchanged:,} known,"
        f" {report.failed + report.unsupported:,} refused ({report.seconds:.0f} s)",
        file=sys.stderr,
    )
    for failure in (*library.failures(), *library.failures(unsupported=True)):
        print(f"  {failure}", file=sys.stderr)
    return library


def answer(library: Library, tree: Path, items: dict[str, Item], asked: Asked) -> Answer:
    """Ask one query; the files that it is made of are not among its hits."""
    paths = {item.source: tree / name for name, item in items.items()}
    own = {paths[part] for part in asked.ask if part in paths}
    wanted = Filter(modalities=frozenset(map(Modality, asked.to)))
    arguments = [str(paths.get(part, part)) for part in asked.ask]
    hits = library.search(arguments, SHOWN + len(own), wanted)
    others = [hit for hit in hits if not own & {hit.path, *hit.other_paths}][:SHOWN]
    found = [(hit, items[hit.path.relative_to(tree).as_posix()]) for hit in others]
    known = library.encoder.space.modalities & wanted.modalities
    there = [item for name, item in items.items() if item.modality in known and tree / name not in own]
    fitting = sum(map(asked.suits, there))
    return Answer(found, sum(asked.suits(item) for _, item in found), fitting, len(there))


def show(number: int, asked: Asked, items: dict[str, Item], found: Answer) -> None:
    """Print the ten hits of one query."""
    print(f"\n### {number}. {_title(asked, items)}\n\nExpected: {asked.expect}.\n")
    rows: list[tuple[object, ...]] = [("what it is", "modality", "cosine", "fits")]
    for place, (hit, item) in enumerate(found.hits, 1):
        fits = "yes" if asked.suits(item) else ""
        rows.append((f"{place}. {_described(item)}", item.modality, hit.score, fits))
    print(table(rows))
    chance = found.fitting / found.candidates
    print(
        f"\n**{found.right} of {len(found.hits)} fit**; of {found.candidates:,} there {found.fitting:,} would"
        f" (a random ten: {SHOWN * chance:.1f})."
    )


def _title(asked: Asked, items: dict[str, Item]) -> str:
    known = {item.source: item for item in items.values()}
    parts = []
    for part in asked.ask:
        if part in known:
            item = known[part]
            parts.append(f"[{item.modality}: {item.label or item.captions[0]}]")
        else:
            parts.append(part if part in "+-" else f'"{part}"')
    to = "everything" if set(asked.to) == set(FOLDERS) else ", ".join(asked.to)
    return f"{' '.join(parts)} to {to}"


def _described(item: Item) -> str:
    caption = item.captions[0] if item.captions else ""
    caption = caption if len(caption) <= CAPTION else caption[: CAPTION - 1] + "…"
    said = [item.label, caption] if item.label and item.label != caption else [caption or item.label]
    return ": ".join(filter(None, said)).replace("|", "/")


def main() -> None:
    """Print the answers to all queries as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of data sets, each with a manifest.csv")
    parser.add_argument("--space", default="compact")
    parser.add_argument("--work", type=Path, default=ROOT / ".cache" / "forty_queries")
    options = parser.parse_args()
    if options.data is None:
        print("  passed over: --data names the folder of data sets that is asked")
        return
    options.work.mkdir(parents=True, exist_ok=True)
    tree, items = copied(options.data.resolve(), options.work.resolve())
    totals: list[tuple[object, ...]] = [("query", "fit", "of", "by chance")]
    with filled(tree, options.work.resolve(), options.space) as library:
        known = library.encoder.space.modalities
        print(f"# Forty queries in {library.encoder.space.id}\n\n{len(items):,} files.")
        for number, asked in enumerate(read_queries(), 1):
            title = _title(asked, items)
            if not known & {Modality(name) for name in asked.to}:
                print(f"\n### {number}. {title}\n\nNot asked: {options.space} embeds no {asked.to[0]} yet.")
                continue
            try:
                found = answer(library, tree, items, asked)
            except QueryError as error:
                print(f"\n### {number}. {title}\n\nNot asked: {error.message}.")
                continue
            show(number, asked, items, found)
            chance = f"{SHOWN * found.fitting / found.candidates:.1f}"
            totals.append((f"{number}. {title}", found.right, found.best, chance))
    _sum_up(totals)


def _sum_up(totals: list[tuple[object, ...]]) -> None:
    asked = totals[1:]
    right, best = (sum(int(str(row[place])) for row in asked) for place in (1, 2))
    print(f"\n## All\n\n{table(totals)}\n\n{len(asked)} asked: {right} of {best} that could fit do.")


if __name__ == "__main__":
    main()

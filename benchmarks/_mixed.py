"""One library of all test files of a folder of data sets, which several benchmarks ask.

The test rows of every set are copied under numbers, so that no name tells what a file holds; windows of
motion become CSV logs, captions become notes. What each file is stands in a table outside that folder, by
which hits are described and judged. Nothing but the bytes reaches the library.

Copies and library are kept in one folder, WORK, and used again: ``WORK/files`` and ``WORK/files.json`` by
``copied``, ``WORK/library-SPACE`` by ``filled``.
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
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bindsearch.encoders import open_encoder
from bindsearch.evaluation.arrays import MotionArrays
from bindsearch.ingest.library import Library
from bindsearch.modality import Modality

WORK = Path(__file__).resolve().parents[1] / ".cache" / "mixed"
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

    def suits(self, fits: Iterable[Iterable[str]], unfit: Iterable[str] = ()) -> bool:
        """Whether label or captions hold a word of every group of ``fits`` and none of ``unfit``."""
        said = " | ".join((self.label, *self.captions))
        return all(says(said, words) for words in fits) and not says(said, unfit)


def says(said: str, words: Iterable[str]) -> bool:
    """Whether one of ``words`` stands in ``said``: whole words, singular or plural, in any case."""
    patterns = (rf"(?<!\w){re.escape(word)}(s|es)?(?!\w)" for word in words)
    return any(re.search(pattern, said, re.IGNORECASE) for pattern in patterns)


def options(doc: str) -> argparse.ArgumentParser:
    """A parser of what all of these benchmarks are told; the first line of ``doc`` describes it."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of data sets, each with a manifest.csv")
    parser.add_argument("--space", default="compact")
    parser.add_argument("--work", type=Path, default=WORK, help="where copies and library are kept")
    return parser


def copied(data: Path, work: Path) -> tuple[Path, dict[str, Item]]:
    """The folder of numbered files in ``work``, made anew if the data have changed, and what each is."""
    data, work = data.resolve(), work.resolve()
    work.mkdir(parents=True, exist_ok=True)
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
    library = Library.open(work.resolve() / f"library-{space}", encoder=open_encoder(space))
    report = library.index([tree])
    print(
        f"{report.indexed:,} files taken in, {report.recognised + report.unchanged:,} known,"
        f" {report.failed + report.unsupported:,} refused ({report.seconds:.0f} s)",
        file=sys.stderr,
    )
    for failure in (*library.failures(), *library.failures(unsupported=True)):
        print(f"  {failure}", file=sys.stderr)
    return library

"""Forty written queries to one library of many sets: what is found, shown as a person would look at it.

The library holds the test rows of every set in a folder of data sets (see ``_mixed.py``). A hit fits if its
label or captions hold the words that the query's entry in forty_queries.toml asks for.

    python benchmarks/forty_queries.py --data DIR [--space compact] [--work .cache/mixed] > queries.md

Copies and library are kept in the folder --work and used again; a query for a modality that the space does
not embed yet is passed over with a line that says so.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from _mixed import FOLDERS, Item, copied, filled, options

from bindsearch.answers import Hit
from bindsearch.errors import QueryError
from bindsearch.evaluation.report import table
from bindsearch.index.filters import Filter
from bindsearch.ingest.library import Library
from bindsearch.modality import Modality

QUERIES = Path(__file__).with_suffix(".toml")
SHOWN = 10
CAPTION = 60  # characters of a caption in a table


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
        return item.suits(self.fits, self.unfit)


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
    rows: list[tuple[object, ...]] = [("what it is", "modality", "standing", "cosine", "fits")]
    for place, (hit, item) in enumerate(found.hits, 1):
        fits = "yes" if asked.suits(item) else ""
        rows.append(
            (f"{place}. {_described(item)}", item.modality, f"{hit.standing or 0:.1f}", hit.score, fits)
        )
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
    told = options(__doc__).parse_args()
    if told.data is None:
        print("  passed over: --data names the folder of data sets that is asked")
        return
    tree, items = copied(told.data, told.work)
    totals: list[tuple[object, ...]] = [("query", "fit", "of", "by chance")]
    with filled(tree, told.work, told.space) as library:
        known = library.encoder.space.modalities
        print(f"# Forty queries in {library.encoder.space.id}\n\n{len(items):,} files.")
        for number, asked in enumerate(read_queries(), 1):
            title = _title(asked, items)
            if not known & {Modality(name) for name in asked.to}:
                print(f"\n### {number}. {title}\n\nNot asked: {told.space} embeds no {asked.to[0]} yet.")
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

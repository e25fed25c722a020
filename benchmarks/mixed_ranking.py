"""One list of six modalities: how well it is ranked, and whether it says so when there is no answer.

Over the library of all test files of a folder of data sets, the good queries of mixed_queries.toml are asked
in words, once ranked by the bare cosine and once by how far hits stand out. Known answers are the files whose
label or captions speak of what a query asks for. Told are the mean average precision over the whole list,
how many of the modalities that hold an answer have one among the first ten hits (the balance), and what the
first ten hits are. Then the level from which on a hit is said to stand out: how many of the absurd queries,
to which the library has no answer, are refused, and how many of the good ones.

    python benchmarks/mixed_ranking.py --data DIR [--space compact] [--work .cache/mixed] > ranking.md

The queries of the half "tune" may be looked at while the ranking is being worked on, those of "test" may not.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _mixed import Item, copied, filled, options
from numpy.typing import NDArray

from bindsearch.answers import LEVEL, Answer, SearchOptions
from bindsearch.evaluation.report import table
from bindsearch.ingest.library import Library
from bindsearch.modality import Modality
from bindsearch.query import Query, Term, TermKind

QUERIES = Path(__file__).with_name("mixed_queries.toml")
FIRST = 10
# Files that resemble each other are all answers, so that they are not folded into one.
WAYS = {
    "cosine": SearchOptions(by_cosine=True, duplicates=True),
    "standing": SearchOptions(words=False, duplicates=True),
    "standing and words": SearchOptions(duplicates=True),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """One good query: ``fits`` is that of Item.suits."""

    ask: str
    split: str
    fits: tuple[tuple[str, ...], ...]
    unfit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranked:
    """What came of one query: the modalities of the list and whether each hit is right, best first."""

    modalities: tuple[Modality, ...]
    right: NDArray[np.bool_]
    answers: Counter[Modality]
    best: float

    @property
    def precision(self) -> float:
        """Average precision over the whole list; an answer that is not in it counts as not found."""
        places = np.flatnonzero(self.right)
        found = np.cumsum(self.right)[places] / (places + 1)
        return float(found.sum() / max(1, sum(self.answers.values())))

    @property
    def balance(self) -> float:
        """Which part of the modalities that hold an answer has a right hit among the first ones."""
        first = {
            kind for kind, right in zip(self.modalities[:FIRST], self.right[:FIRST], strict=True) if right
        }
        return len(first) / len(self.answers)


def read_queries(path: Path = QUERIES) -> tuple[list[Asked], dict[str, list[str]]]:
    """The good queries, and the absurd ones by their half."""
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    good = [
        Asked(one["ask"], one["split"], tuple(map(tuple, one["fits"])), tuple(one.get("unfit", ())))
        for one in read["good"]
    ]
    absurd: dict[str, list[str]] = {"tune": [], "test": []}
    for one in read["absurd"]:
        absurd[one["split"]].append(one["ask"])
    return good, absurd


def words(ask: str) -> Query:
    """The query of these words, whatever is in them."""
    return Query((Term(1.0, TermKind.TEXT, ask),))


def ranked(answer: Answer, asked: Asked, items: dict[str, Item], tree: Path) -> Ranked:
    """Judge the list that ``answer`` is."""
    found = [items[hit.path.relative_to(tree).as_posix()] for hit in answer]
    right = np.array([item.suits(asked.fits, asked.unfit) for item in found], bool)
    answers = Counter(
        Modality(item.modality) for item in items.values() if item.suits(asked.fits, asked.unfit)
    )
    return Ranked(tuple(hit.modality for hit in answer), right, answers, answer.best or 0.0)


def show(results: dict[str, list[Ranked]]) -> None:
    """Print the ranking's figures, one row a way."""
    rows: list[tuple[object, ...]] = [
        ("ranked by", "mAP", "mAP, several modalities", "balance", "first right", *Modality)
    ]
    for name, ways in results.items():
        several = [one for one in ways if len(one.answers) > 1]
        shown = [kind for one in ways for kind in one.modalities[:FIRST]]
        shares = [f"{shown.count(kind) / len(shown):.2f}" for kind in Modality]
        rows.append(
            (
                name,
                f"{np.mean([one.precision for one in ways]):.3f}",
                f"{np.mean([one.precision for one in several]):.3f}",
                f"{np.mean([one.balance for one in several]):.3f}",
                f"{np.mean([one.right[:1].any() for one in ways]):.3f}",
                *shares,
            )
        )
    every: Counter[Modality] = Counter()
    for one in next(iter(results.values())):
        for kind, count in one.answers.items():
            every[kind] += count / sum(one.answers.values())  # type: ignore[assignment]
    count = len(next(iter(results.values())))
    rows.append(("the answers", "", "", "", "", *(f"{every[kind] / count:.2f}" for kind in Modality)))
    print(table(rows))


def show_levels(good: Sequence[float], absurd: Sequence[float]) -> None:
    """Print what levels around the default one refuse."""
    rows: list[tuple[object, ...]] = [("level", "absurd refused", "good refused")]
    for level in np.arange(LEVEL - 1, LEVEL + 1.01, 0.25):
        name = f"**{level:.2f}**" if level == LEVEL else f"{level:.2f}"
        rows.append((name, *(f"{np.mean(np.array(one) < level):.3f}" for one in (absurd, good))))
    print(table(rows))


def _weakest(good: dict[str, float], absurd: dict[str, float]) -> Iterator[str]:
    refused = [f"{ask} ({best:.1f})" for ask, best in good.items() if best < LEVEL]
    passed = [f"{ask} ({best:.1f})" for ask, best in absurd.items() if best >= LEVEL]
    yield f"Good and refused: {', '.join(refused) or 'none'}."
    yield f"Absurd and not refused: {', '.join(passed) or 'none'}."


def asked_all(
    library: Library, good: Sequence[Asked], items: dict[str, Item], tree: Path
) -> dict[str, dict[str, Ranked]]:
    """What came of every good query, by the way of ranking and the query."""
    return {
        name: {
            one.ask: ranked(library.search(words(one.ask), len(items), options=way), one, items, tree)
            for one in good
        }
        for name, way in WAYS.items()
    }


def tell(lists: dict[str, dict[str, Ranked]], good: Sequence[str], absurd: dict[str, float]) -> None:
    """Print what came of these queries."""
    show({name: [ways[ask] for ask in good] for name, ways in lists.items()})
    best = {ask: lists["standing and words"][ask].best for ask in good}
    print(f"\n{len(absurd)} absurd queries beside {len(good)} good ones.\n")
    show_levels(list(best.values()), list(absurd.values()))
    print("\n" + "\n".join(_weakest(best, absurd)))


def main() -> None:
    """Print the figures of both halves, and of all, as Markdown."""
    chosen = options(__doc__ or "").parse_args()
    if chosen.data is None:
        print("  passed over: --data names the folder of data sets that is asked")
        return
    tree, items = copied(chosen.data, chosen.work)
    good, absurd = read_queries()
    with filled(tree, chosen.work, chosen.space) as library:
        print(f"# One list of all modalities, {library.encoder.space.id}\n\n{len(items):,} files.")
        lists = asked_all(library, good, items, tree)
        strange = {ask: library.search(words(ask), 1).best or 0.0 for asks in absurd.values() for ask in asks}
    for half in ("tune", "test", ""):
        own = [one.ask for one in good if half in one.split]
        told = {ask: strange[ask] for name, asks in absurd.items() if half in name for ask in asks}
        print(f"\n## {half or 'all'}: {len(own)} good queries\n")
        tell(lists, own, told)


if __name__ == "__main__":
    main()

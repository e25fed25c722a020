"""Tagging: what a library holds is classified by its stored vectors, and the verdicts are kept as tags.

Labels are told by their words alone, or learnt from examples: files or folders, whose vectors are those of
the library where it knows the files, and made for the occasion where it does not. Examples teach in the
modalities that they are of. Examples that the library knows get their tag whatever they look like.

A run says anew what a run of the same sort has said before, for its own names and for the files that it looks
at: what no longer holds is taken away. Tags by hand stay. Files that come later have no tags until the
next run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from sqlalchemy import Connection, select

from bindsearch.classifying.labels import Labels, clean_names
from bindsearch.classifying.probabilities import Numbers
from bindsearch.encoders import Encoder, Space
from bindsearch.errors import BindsearchError, QueryError, SettingsError
from bindsearch.index.filters import Filter, under
from bindsearch.index.hits import absolute, paths_of
from bindsearch.index.items import Items, stored_items
from bindsearch.index.schema import TagSource, locations
from bindsearch.index.store import Store
from bindsearch.index.tags import (
    NewTag,
    Tag,
    full_tags_of,
    put_tags,
    remove_tag,
    rename_tag,
    spelt,
    take_stale,
)
from bindsearch.ingest.asking import Asker
from bindsearch.ingest.examples import Learnt, School
from bindsearch.modality import Modality
from bindsearch.settings import Settings


@dataclass(frozen=True, slots=True)
class TaggedFile:
    """A file with a tag that it was given, or would be."""

    path: Path
    name: str
    probability: float


@dataclass(slots=True)
class TagRun:
    """What a run has done, or would do.

    ``files`` is how many it looked at, ``untold`` how many of them are of modalities without an example.
    ``changed`` tags are new or from another source than before, ``taken`` were taken away; both 0 where
    nothing was written. ``estimated`` are modalities in which probabilities are not measured, ``unsure``
    those in which examples had too few other files to be told from. ``failures`` are examples that could
    not be read.
    """

    names: tuple[str, ...]
    space: str
    tagged: list[TaggedFile] = field(default_factory=list)
    files: int = 0
    untold: int = 0
    changed: int = 0
    taken: int = 0
    estimated: set[Modality] = field(default_factory=set)
    unsure: set[Modality] = field(default_factory=set)
    failures: list[BindsearchError] = field(default_factory=list)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many files each name was given to, those without any too."""
        counted = Counter(tagged.name for tagged in self.tagged)
        return {name: counted[name] for name in self.names}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to be tagged: what ``wanted`` lets through, with names at least as probable as ``level``.

    ``by_moment`` judges a file by the best of its moments in place of their mean. ``dry`` writes nothing.
    """

    wanted: Filter = field(default_factory=Filter)
    level: float = 0.5
    by_moment: bool = False
    dry: bool = False


def tag_by_words(
    store: Store, encoder: Encoder, names: Sequence[str], templates: Sequence[str], wishes: Wishes
) -> TagRun:
    """Tag what the library holds by the words of labels. Needs the writer lock unless ``dry``."""
    labels = Labels(encoder, names, templates)
    with store.catalog.read() as catalog:
        run = TagRun(spelt(catalog, labels.names), encoder.space.id)
        given, looked_at = _judged(catalog, encoder.space, labels, run, wishes, {})
        run.estimated = {kind for kind in looked_at.values() if not labels.is_measured(kind)}
        _tell(catalog, run, given, wishes.wanted)
    _keep(store, TagSource.WORDS, run, given, looked_at, wishes)
    return run


def tag_by_examples(
    store: Store, encoder: Encoder, settings: Settings, examples: Mapping[str, Sequence[Path]], wishes: Wishes
) -> TagRun:
    """Tag what the library holds by examples of each name: absolute paths of files and folders.

    Needs the writer lock unless ``dry``.
    Raises SettingsError where a name is left without an example that can be read.
    """
    with store.catalog.read() as catalog:
        run = TagRun(spelt(catalog, clean_names(examples)), encoder.space.id)
        school = School(catalog, encoder.space, wishes.wanted)
        with Asker(encoder, settings, None) as asker:
            for number, paths in enumerate(examples.values()):
                run.failures += school.show(number, paths, asker)
        for number, name in enumerate(run.names):
            if number not in school.shown:
                raise SettingsError("there is no example of it that can be read", subject=name)
        learnt = school.learn()
        run.unsure = {modality for modality, one in learnt.known.items() if not one[0].background}
        given, looked_at = _judged(catalog, encoder.space, learnt, run, wishes, school.own)
        _tell(catalog, run, given, wishes.wanted)
    _keep(store, TagSource.EXAMPLES, run, given, looked_at, wishes)
    return run


def tag_by_hand(store: Store, name: str, paths: Sequence[str]) -> int:
    """Give the files at or below absolute ``paths`` a tag; returns how many. Needs the writer lock.

    Raises QueryError for a path at which the library knows no file.
    """
    with store.catalog.write() as session:
        (own,) = spelt(session, clean_names([name]))
        chosen = _contents_at(session.connection(), paths)
        put_tags(session, TagSource.HAND, [NewTag(content_id, own) for content_id in chosen])
    return len(chosen)


def untag(store: Store, name: str, paths: Sequence[str]) -> int:
    """Take a tag from files at or below absolute ``paths``, or from all; as ``tag_by_hand`` otherwise."""
    with store.catalog.write() as session:
        (own,) = spelt(session, clean_names([name]))
        chosen = _contents_at(session.connection(), paths) if paths else None
        return remove_tag(session, own, chosen)


def rename(store: Store, old: str, new: str) -> int:
    """Call a tag something else, or spell it so; returns how many files have it. Needs the writer lock.

    Raises QueryError for a tag that no file has.
    """
    with store.catalog.write() as session:
        (known,), (wanted,) = spelt(session, clean_names([old])), clean_names([new])
        same = known.casefold() == wanted.casefold()
        count = rename_tag(session, known, wanted if same else spelt(session, [wanted])[0])
        if not count:
            raise QueryError("no file has this tag", subject=known)
        return count


def tags_at(store: Store, paths: Sequence[str]) -> list[tuple[Path, list[Tag]]]:
    """The tags of the files at or below absolute ``paths``; files without any are left out.

    Raises QueryError for a path at which the library knows no file.
    """
    with store.catalog.read() as catalog:
        found = full_tags_of(catalog, sorted(_contents_at(catalog, paths)))
        places = paths_of(catalog, list(found), Filter(folders=tuple(paths), offline=True))
    pairs = [(absolute(place.root, place.path), own) for own, ways in places.items() for place in ways]
    return [(path, found[own]) for path, own in sorted(pairs)]


def _judged(
    catalog: Connection,
    space: Space,
    judge: Labels | Learnt,
    run: TagRun,
    wishes: Wishes,
    sure: Mapping[int, set[int]],
) -> tuple[list[NewTag], dict[int, Modality]]:
    """The tags that are due, and the contents that were judged; ``sure`` are examples with their names."""
    best: dict[tuple[int, int], float] = {}
    looked_at: dict[int, Modality] = {}
    untold: set[int] = set()
    for items in stored_items(catalog, space, wishes.wanted, by_segment=wishes.by_moment):
        chances = judge.probabilities(items.modality, items.vectors)
        if chances is None:
            untold.update(items.content_ids)
            continue
        looked_at |= dict.fromkeys(items.content_ids, items.modality)
        for key, chance in _over(items, chances[:, : len(run.names)], wishes.level):
            best[key] = max(chance, best.get(key, 0.0))
    best |= {(own, number): 1.0 for own, numbers in sure.items() for number in numbers if own in looked_at}
    run.files = len(looked_at | dict.fromkeys(untold))
    run.untold = run.files - len(looked_at)
    return [NewTag(own, run.names[number], chance) for (own, number), chance in best.items()], looked_at


def _over(items: Items, chances: Numbers, level: float) -> Iterator[tuple[tuple[int, int], float]]:
    rows, columns = np.nonzero(chances >= level)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        yield (items.content_ids[row], column), float(chances[row, column])


def _tell(catalog: Connection, run: TagRun, given: Sequence[NewTag], wanted: Filter) -> None:
    """Put the files with their tags into the report, name by name, the most probable first."""
    places = paths_of(catalog, sorted({new.content_id for new in given}), replace(wanted, offline=True))
    for name in run.names:
        own = [new for new in given if new.name == name and new.content_id in places]
        for new in sorted(own, key=lambda one: (-(one.score or 0.0), one.content_id)):
            place = places[new.content_id][0]
            run.tagged.append(TaggedFile(absolute(place.root, place.path), name, new.score or 0.0))


def _keep(
    store: Store,
    source: TagSource,
    run: TagRun,
    given: Sequence[NewTag],
    looked_at: Mapping[int, Modality],
    wishes: Wishes,
) -> None:
    if wishes.dry:
        return
    with store.catalog.write() as session:
        run.taken = take_stale(session, source, run.names, looked_at.keys(), given)
        run.changed = put_tags(session, source, given)


def _contents_at(catalog: Connection, paths: Sequence[str]) -> list[int]:
    """The contents at or below each of ``paths``; QueryError for one at which there is none."""
    chosen: dict[int, None] = {}
    for path in paths:
        own = catalog.scalars(select(locations.c.content_id).where(under(catalog, [path]))).all()
        if not own:
            hint = "'bindsearch index' takes files in"
            raise QueryError("the library knows no file here", subject=path, hint=hint)
        chosen |= dict.fromkeys(own)
    return list(chosen)

"""The options that say what part words have in a search, and the line that says what was used.

A search ranks by meaning (vectors) and by words (names, tags, notes) together. ``--exact`` leaves meaning
out, and no encoder is opened; ``--no-words`` leaves words out. Which of them ranked is always said.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from bindsearch.cli.options import bundle
from bindsearch.errors import QueryError

if TYPE_CHECKING:
    from bindsearch.answers import Via


@bundle
class WordOptions:
    """What a command line asks of words; by default they rank together with meaning."""

    exact: Annotated[
        bool,
        typer.Option(
            "--exact",
            help='By words only, all of which must be there; "in quotes" a phrase, birth* a beginning.',
        ),
    ] = False
    words: Annotated[
        bool, typer.Option("--words/--no-words", help="Let names, tags and notes have a say in the ranking.")
    ] = True

    def check(self) -> None:
        """Raise QueryError if the options contradict each other."""
        if self.exact and not self.words:
            raise QueryError(
                "--exact is by words only, which --no-words leaves out", hint="give one of the two"
            )


_SAID = {
    frozenset({"meaning", "words"}): "ranked by meaning and words",
    frozenset({"meaning"}): "ranked by meaning only",
    frozenset({"words"}): "ranked by words only",
}


def ranked_by(used: Collection[Via], *, has_vectors: bool = True) -> str:
    """The line that says what was used; ``has_vectors`` is whether the library has any to be used."""
    if not has_vectors and "meaning" not in used:
        return "this library has no vectors yet: ranked by words only"
    return _SAID[frozenset(used)]

"""The query language: sums of words, files and segments, as in ``photo.jpg - 0.5*(cars + people)``.

One syntax for the shell and for Python; docs/queries.md shows every form. A query is a row of parts; ``+``
and ``-`` are operators only where they stand alone, with space or a parenthesis on both sides, so that names
of files and hyphened words need no quotes. A part is a group, ``( ... )``, or a term:

    bare words        a dog on the beach       one text term, words joined by single spaces
    quoted words      "at night", 'at night'   always text; a backslash keeps a quote or a backslash
    a file            photo.jpg, ~/a/b.mp4     when one of that name is there
    a span of a file  clip.mp4[1:20-1:25]      h:mm:ss.s or seconds
    a segment         @1234                    of the library, by its id
    a marked term     text:photo.jpg           takes its kind from the mark: text:, file:, or a modality for
                      audio:clip.mp4           a file that is read as that
    standard input    file:-                   or ``-`` as the whole query

Either may carry a weight before all else: ``0.5*"people"``, ``2*(a + b)``. A bare term that looks like a path
but names no file is refused rather than searched for as words. A parenthesis groups at the edge of a word and
is a letter inside it: ``photo(1).jpg`` and ``(re)build`` are words.

A list of arguments, as a shell hands them over with the quotes already gone, follows the same rules word
by word, but an argument that holds spaces or names a file is never cut: ``a - b.jpg`` given as one argument
is that file. A list of one argument is an expression, unless it names a file.

``str(query)`` is an expression that parses to the same query. The modules:

    tree      what a query is, and how it is written
    scanner   characters or arguments to words, signs and parentheses
    grammar   these to a tree, by an LALR grammar
    meaning   words to one term: which are text, which is a file
"""

from bindsearch.query.grammar import parse_query
from bindsearch.query.tree import STDIN, Group, Part, Query, Span, Term, TermKind, walk

__all__ = ["STDIN", "Group", "Part", "Query", "Span", "Term", "TermKind", "parse_query", "walk"]

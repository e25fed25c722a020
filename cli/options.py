"""Options that several commands share, declared once as dataclasses.

A command takes ``filters: FilterOptions`` as one parameter, and on the command line every field of that
``bundle`` is an option. The fields are annotated as Typer's own parameters are, and have defaults.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, TypeVar, dataclass_transform, get_type_hints

_KEYWORD = inspect.Parameter.KEYWORD_ONLY

T = TypeVar("T")


@dataclass_transform(eq_default=False, frozen_default=True)
def bundle(kind: type[T]) -> type[T]:
    """A dataclass of options. To type checkers it is frozen.

    Nobody compares or prints it, and the methods that ``dataclass`` would compile for that, and to hold
    assignments up, take a command a millisecond for each class.
    """
    return dataclass(slots=True, eq=False, repr=False)(kind)


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with the fields of its dataclass parameters in their place, as Typer is to see it."""
    hints = get_type_hints(command, include_extras=True)
    bundles = {name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)}

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        for name, kind in bundles.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in fields(kind)})
        command(**given)

    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in bundles:
            parameters += _of_fields(bundles[parameter.name])
        else:
            hint = hints[parameter.name]
            parameters.append(parameter.replace(kind=_KEYWORD, annotation=hint))
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapped


def _of_fields(kind: type) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [_parameter(field, hints[field.name]) for field in fields(kind)]


def _parameter(field: Any, hint: Any) -> inspect.Parameter:
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return inspect.Parameter(field.name, _KEYWORD, default=default, annotation=hint)

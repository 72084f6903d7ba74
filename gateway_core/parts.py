"""The kind of class that the object graph is made of."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(eq_default=False, frozen_default=True, field_specifiers=(field,))
def part(cls: type[T]) -> type[T]:
    """A dataclass that is made once, equals itself alone, and that mypy lets nobody change.

    A frozen dataclass that compares costs each start three times as much: its methods are compiled when it is defined.
    What travels and is compared is one, or a NamedTuple.
    """
    return dataclass(slots=True, eq=False, repr=False)(cls)

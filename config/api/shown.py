"""Serializers of what is only ever shown, made into plain plans once.

A serializer says what is shown, and in what order. Where it is shown of rows of the database, the sources of its fields
are columns; what is no column is worked out from columns, by the functions that the serializer's `derived` names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from rest_framework import serializers

Row = tuple[Any, ...]
Context = Mapping[str, Any]
Show = Callable[[Row, Context], Any]
"""What one thing in an answer is, by the row it is about and what the view gave along."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a plan asks for, by their sources, and the place of each in a row."""

    prefix: str = ""
    places: dict[str, int] = field(default_factory=dict)
    same: Mapping[str, str] = field(default_factory=dict)
    """Steps that lead back to what the row has already, and where that is: there is no need to join it again."""

    def place(self, source: str) -> int:
        """Where in a row this source stands from now on."""
        return self.places.setdefault(self._path(source).replace(".", "__"), len(self.places))

    def within(self, source: str, same: Mapping[str, str] | None = None) -> "Columns":
        """The same row, with sources that start there; `*` is the row itself."""
        return self if source == "*" else Columns(f"{self._path(source)}.", self.places, same or {})

    def _path(self, source: str) -> str:
        step, _, rest = source.partition(".")
        return f"{self.same[step]}{rest}" if step in self.same else f"{self.prefix}{source}"


def _reader(field: serializers.Field[Any, Any, Any, Any]) -> Callable[[Any], Any]:
    """How a field finds its value in an object: as plain as can be, and the library's way where that leads nowhere."""
    source = str(field.source)
    if source == "*":
        return lambda instance: instance
    found_in = attrgetter(source)

    def read(instance: Any) -> Any:
        try:
            return instance[source] if isinstance(instance, dict) else found_in(instance)
        except (AttributeError, ObjectDoesNotExist, KeyError):
            return field.get_attribute(instance)

    return read


class Shown(serializers.Serializer[Any]):
    """Something that is only ever shown, of an object or of a row, by a plan that is made once: of each value the
    library would find out anew what kind of thing it is in, and whether it is to be called."""

    @classmethod
    def derived(cls, columns: Columns) -> dict[str, Show]:
        """How those of the fields that are no columns are worked out from a row."""
        return {}

    @classmethod
    def plan(cls, columns: Columns) -> Show:
        """How a row is shown whose columns are asked for here.

        A field that there are many of is looked up in the context, by its source and then by the row's id.
        """
        fields = list(cls()._readable_fields)
        derived = cls.derived(columns)
        for name, each in ((str(each.field_name), each) for each in fields if each.field_name not in derived):
            if isinstance(each, serializers.BaseSerializer):
                derived[name] = _nested(each, columns)
            elif isinstance(each, serializers.DecimalField):
                derived[name] = _digits_at(columns.place(str(each.source)))
        names = [str(each.field_name) for each in fields]
        # What is derived is held a place for by any column, so that all stands in its order.
        places = [0 if each.field_name in derived else columns.place(str(each.source)) for each in fields]
        values = itemgetter(*places, 0)

        def show(row: Row, context: Context) -> dict[str, Any]:
            shown = dict(zip(names, values(row), strict=False))
            for name, derive in derived.items():
                shown[name] = derive(row, context)
            return shown

        return show

    @cached_property
    def _steps(self) -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any]]]:
        return [(str(field.field_name), _reader(field), field.to_representation) for field in self._readable_fields]

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for name, read, show in self._steps:
            value = read(instance)
            shown[name] = None if value is None else show(value)
        return shown


def digits(number: Decimal | None) -> str | None:
    """A number as text, with as many places as its column has."""
    return None if number is None else f"{number:f}"


def _digits_at(place: int) -> Show:
    return lambda row, context: digits(row[place])


def _nested(serializer: Any, columns: Columns) -> Show:
    """Something in something, or null where it may be and there is none."""
    source = str(serializer.source)
    if isinstance(serializer, serializers.ListSerializer):
        pk = columns.place("id")
        return lambda row, context: context[source].get(row[pk], [])
    show: Show = serializer.plan(columns.within(source))
    if not serializer.allow_null:
        return show
    place = columns.place(source)
    return lambda row, context: None if row[place] is None else show(row, context)

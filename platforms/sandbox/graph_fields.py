"""Meta's field expansion: `id,shares,comments.summary(true).limit(0),insights.metric(views,shares){name,values}`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DEPTH_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its modifiers (`limit(0)`) and the fields in its braces."""

    name: str
    modifiers: Mapping[str, str] = field(default_factory=dict)
    inner: tuple["Field", ...] = ()

    @property
    def key(self) -> str:
        """The key it is answered under."""
        return self.modifiers.get("as", self.name)


class FieldSyntaxError(ValueError):
    """A list of fields that cannot be read."""


def parse(text: str) -> tuple[Field, ...]:
    """The fields of a list, none for an empty one. Raises FieldSyntaxError."""
    reader = _Reader(text)
    fields = reader.fields(0) if text else ()
    if reader.rest:
        raise FieldSyntaxError(f'Syntax error "Expected end of string instead of "{reader.rest[0]}"." at {reader.at}')
    return fields


class _Reader:
    def __init__(self, text: str) -> None:
        self._text, self.at = text, 0

    @property
    def rest(self) -> str:
        return self._text[self.at :]

    def fields(self, depth: int) -> tuple[Field, ...]:
        if depth > _DEPTH_LIMIT:
            raise FieldSyntaxError("The fields are nested too deeply")
        found = [self._field(depth)]
        while self._takes(","):
            found.append(self._field(depth))
        return tuple(found)

    def _field(self, depth: int) -> Field:
        name = self._name()
        modifiers: dict[str, str] = {}
        inner: tuple[Field, ...] = ()
        while self._takes("."):
            modifier = self._name()
            self._expect("(")
            end = self._text.find(")", self.at)
            if end < 0:
                raise FieldSyntaxError('Syntax error "Expected ")""')
            modifiers[modifier], self.at = self._text[self.at : end], end + 1
        if self._takes("{"):
            inner = self.fields(depth + 1)
            self._expect("}")
        return Field(name, modifiers, inner)

    def _name(self) -> str:
        found = _NAME.match(self._text, self.at)
        if found is None:
            raise FieldSyntaxError(f'Syntax error "Expected name." at character {self.at}: {self.rest[:20]}')
        self.at = found.end()
        return found[0]

    def _takes(self, sign: str) -> bool:
        taken = self._text.startswith(sign, self.at)
        self.at += taken
        return taken

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise FieldSyntaxError(f'Syntax error "Expected "{sign}"." at character {self.at}: {self.rest[:20]}')

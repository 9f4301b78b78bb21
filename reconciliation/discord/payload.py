"""Reading an interaction: strict in what is used, blind to everything else that Discord adds over the years."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from config.counts import MAX_COUNT
from platforms.links import MAX_URL_CHARS, NeedsNetwork, NotAPost, PostLink, identify
from reconciliation.errors import ClaimRefusedError

MAX_TOKEN_CHARS = 1024
MAX_TEXT_CHARS = 4 * MAX_URL_CHARS
"""Of a text that is looked at; a message has 4,000 at most."""
_SNOWFLAKE = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,16}|[0-9]{1,3}(?:,[0-9]{3}){1,5}|[0-9]{1,3}(?: [0-9]{3}){1,5}", re.ASCII)
_LINK = re.compile(r"https?://[^\s<>()\[\]|\"`]+", re.IGNORECASE)
_AFTER_A_LINK = ".,!?;:*~'"


class Type(IntEnum):
    """What Discord sends. A number that is none of these is answered like a command nobody knows."""

    PING = 1
    COMMAND = 2
    COMPONENT = 3
    AUTOCOMPLETE = 4
    MODAL = 5


class CommandType(IntEnum):
    """What a command was called on: nothing, or a message."""

    SLASH = 1
    MESSAGE = 3


class PayloadError(ValueError):
    """This is no interaction; the message says why."""


@dataclass(frozen=True, slots=True)
class Interaction:
    """What is used of an interaction. Texts are empty where they were not given, or were no texts.

    `message` is what the message says, then the addresses of the previews below it.
    """

    id: str
    type: int
    token: str = ""
    user_id: str = ""
    command: str = ""
    command_type: int = CommandType.SLASH
    options: Mapping[str, object] = field(default_factory=dict)
    focused: str = ""
    target_id: str = ""
    message: Sequence[str] = ()
    custom_id: str = ""
    inputs: Mapping[str, object] = field(default_factory=dict)

    def given(self, name: str) -> object:
        """What was typed or chosen for an option, or in a field of the modal; None where nothing was."""
        return self.options.get(name, self.inputs.get(name))

    def text(self, name: str) -> str:
        """The same as a text."""
        return _text(self.given(name)).strip()


def read(body: Mapping[str, Any]) -> Interaction:
    """Raises PayloadError where there is no type, or no id of anything but a ping."""
    kind, snowflake = body.get("type"), _text(body.get("id"))
    if not isinstance(kind, int) or isinstance(kind, bool):
        raise PayloadError("type: a whole number")
    if kind != Type.PING and not _SNOWFLAKE.fullmatch(snowflake):
        raise PayloadError("id: a snowflake, as text")
    data = _mapping(body.get("data"))
    options = [each for each in _sequence(data.get("options")) if isinstance(each, dict)]
    command_type, target_id = data.get("type", 1), _text(data.get("target_id"))
    messages = _mapping(_mapping(data.get("resolved")).get("messages"))
    return Interaction(
        id=snowflake,
        type=kind,
        token=_token(body.get("token")),
        user_id=_user_id(body),
        command=_text(data.get("name")),
        command_type=command_type if isinstance(command_type, int) else 0,
        options={_text(each.get("name")): each.get("value") for each in options},
        focused=next((_text(each.get("name")) for each in options if each.get("focused") is True), ""),
        target_id=target_id if _SNOWFLAKE.fullmatch(target_id) else "",
        message=tuple("\n".join(texts(_mapping(messages.get(target_id)))) for texts in (_said, _previewed)),
        custom_id=_text(data.get("custom_id")),
        inputs=dict(_inputs(data.get("components"))),
    )


def count(name: str, value: object) -> int | None:
    """A figure: None where none was given. Discord writes whole numbers with and without a fraction of nothing, and
    people type them with their thousands apart. Raises ClaimRefusedError."""
    if isinstance(value, str):
        typed = value.strip()
        value = int(re.sub("[, ]", "", typed)) if _WHOLE_NUMBER.fullmatch(typed) else typed or None
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ClaimRefusedError(f"{name}: a whole number, in digits.", field=name)
    if not 0 <= value <= MAX_COUNT:
        raise ClaimRefusedError(f"{name}: a number from 0 to {MAX_COUNT:,}.", field=name)
    return value


def link_in(message: Sequence[str]) -> PostLink | NeedsNetwork:
    """The one post that a message links to, in the first of its texts that links to any: a preview names the same post
    by another link. Raises ClaimRefusedError, saying what is wrong."""
    reason = "There is no link to a post in this message."
    for text in message:
        answers = [_identified(found[0]) for found in _LINK.finditer(text)]
        posts = {_key(answer): answer for answer in answers if not isinstance(answer, NotAPost)}
        if len(posts) > 1:
            raise ClaimRefusedError("This message links to several posts. Submit each with /submit.", field="url")
        for post in posts.values():
            return post
        reasons = [answer.reason for answer in answers if isinstance(answer, NotAPost) and answer.platform]
        reason = next(iter(reasons), reason)
    raise ClaimRefusedError(reason, field="url")


def _identified(link: str) -> PostLink | NeedsNetwork | NotAPost:
    """What a link names; the stops and emphasis of the sentence around it are not its own."""
    answer = identify(link.rstrip(_AFTER_A_LINK))
    if isinstance(answer, NotAPost):  # an underscore may end an id, and may end an emphasis
        answer = identify(link.rstrip(_AFTER_A_LINK + "_"))
    return answer


def _key(link: PostLink | NeedsNetwork) -> tuple[str, str]:
    return link.platform, link.external_id if isinstance(link, PostLink) else link.url


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    """What a message says, as its content or in components, and what the messages say that it passes on."""
    yield _text(message.get("content"))
    yield from _said_in(message.get("components"))
    for forwarded in _forwarded(message):
        yield from _said(forwarded)


def _said_in(components: object) -> Iterator[str]:
    """The texts of components, and where their buttons lead, however they are nested."""
    for component in _sequence(components):
        if not isinstance(component, dict):
            continue
        yield _text(component.get("content"))
        yield _text(component.get("url"))
        yield from _said_in([component.get("accessory"), *_sequence(component.get("components"))])


def _previewed(message: Mapping[str, Any]) -> Iterator[str]:
    """Where the previews below a message lead, and those below what it passes on."""
    yield from (_text(_mapping(embed).get("url")) for embed in _sequence(message.get("embeds")))
    for forwarded in _forwarded(message):
        yield from _previewed(forwarded)


def _forwarded(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for snapshot in _sequence(message.get("message_snapshots")):
        yield _mapping(_mapping(snapshot).get("message"))


def _user_id(body: Mapping[str, Any]) -> str:
    """Who acts: the member's user in a server, the user in a direct message."""
    user = _mapping(_mapping(body.get("member")).get("user")) or _mapping(body.get("user"))
    user_id = _text(user.get("id"))
    return user_id if _SNOWFLAKE.fullmatch(user_id) else ""


def _token(value: object) -> str:
    token = _text(value)
    return token if len(token) <= MAX_TOKEN_CHARS and token.isascii() and token.isprintable() else ""


def _inputs(components: object) -> Iterator[tuple[str, object]]:
    """What was filled into a modal: each field in a label (one `component`) or a row (several `components`)."""
    for component in _sequence(components):
        if not isinstance(component, dict):
            continue
        name = _text(component.get("custom_id"))
        if name:
            chosen = _sequence(component.get("values"))
            yield name, component.get("value", chosen[0] if chosen else None)
        yield from _inputs([component.get("component"), *_sequence(component.get("components"))])


def _text(value: object) -> str:
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _sequence(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()

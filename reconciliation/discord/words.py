"""What is answered: messages that only the one who asked can see, in which nothing that somebody typed means anything.

Discord pings nobody (`allowed_mentions`), but would still draw a mention, a link or a headline: campaign names and the
like are escaped.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from reconciliation.comparison import Figures

VERDICT_FOLLOWS = "The verdict appears here, usually within seconds. After 15 minutes ask with /status."
MAX_CONTENT_CHARS = 2000
MAX_CHOICES = 25
MAX_CHOICE_CHARS = 100
EPHEMERAL = 64
PONG = {"type": 1}
_MESSAGE, _CHOICES, _MODAL = 4, 8, 9
_STRING_SELECT, _TEXT_INPUT, _LABEL = 3, 4, 18

_MARKUP = re.compile(r"([\\*_~`|>#<\[\]():-])")
_UNMENTIONED = "@\N{ZERO WIDTH SPACE}"

Answer = dict[str, Any]


def plain(text: str) -> str:
    """A text that somebody typed, on one line, drawn as it was typed."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split())).replace("@", _UNMENTIONED)


def address(url: str) -> str:
    """The address of a post, without the preview that Discord would hang below it."""
    return f"<{re.sub('[<>]', '', url)}>"


def figures(claimed: Figures) -> str:
    """Such as "12,400 views and 10 clicks"; zero is a figure, what is not claimed is none."""
    named = {"view": claimed.views, "click": claimed.clicks, "conversion": claimed.conversions}
    words = [f"{n:,} {name}{'' if n == 1 else 's'}" for name, n in named.items() if n is not None]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def content(*texts: str) -> dict[str, Any]:
    """What a message says, new or edited."""
    return {"content": _lines(texts), "allowed_mentions": {"parse": []}}


def message(*texts: str) -> Answer:
    """A message for the one who asked."""
    return {"type": _MESSAGE, "data": {**content(*texts), "flags": EPHEMERAL}}


def with_verdict(answer: Answer, explanation: str) -> str:
    """The words of an answer that promised a verdict, with the verdict in the promise's place."""
    said = str(answer.get("data", {}).get("content", "")).splitlines()
    return _lines([*(line for line in said if line != VERDICT_FOLLOWS), explanation])


def choices(found: Sequence[tuple[str, str]]) -> Answer:
    """What an option may be completed to: names, which are drawn as they are, with their values."""
    listed = [{"name": _name(name), "value": value} for name, value in found[:MAX_CHOICES]]
    return {"type": _CHOICES, "data": {"choices": listed}}


def claim_modal(custom_id: str, campaigns: Sequence[tuple[str, str]], *, more: bool) -> Answer:
    """The form that asks what a message can't say: the campaign, and the figures."""
    select = {
        "type": _STRING_SELECT,
        "custom_id": "campaign",
        "required": True,
        "options": [{"label": _name(name), "value": value} for name, value in campaigns[:MAX_CHOICES]],
    }
    campaign = {"type": _LABEL, "label": "Campaign", "component": select}
    if more:
        campaign["description"] = "There are more than can be shown here: for the others use /submit."
    fields = [campaign, *(_figure_input(name) for name in ("views", "clicks", "conversions"))]
    return {"type": _MODAL, "data": {"custom_id": custom_id, "title": "Submit as post", "components": fields}}


def _figure_input(name: str) -> dict[str, Any]:
    return {
        "type": _LABEL,
        "label": name.capitalize(),
        "description": "A whole number. Empty: not claimed.",
        "component": {"type": _TEXT_INPUT, "custom_id": name, "style": 1, "required": False, "max_length": 24},
    }


def _lines(texts: Iterable[str]) -> str:
    """As many of these as fit into a message, each on its own line."""
    whole = ""
    for text in texts:
        longer = f"{whole}\n{text}" if whole else _cut(text, MAX_CONTENT_CHARS)
        if _length(longer) > MAX_CONTENT_CHARS:
            break
        whole = longer
    return whole


def _name(text: str) -> str:
    return _cut(" ".join(text.split()), MAX_CHOICE_CHARS) or "?"


def _cut(text: str, most: int) -> str:
    if _length(text) <= most:
        return text
    return text.encode("utf-16-le")[: 2 * (most - 1)].decode("utf-16-le", "ignore") + "…"


def _length(text: str) -> int:
    """As Discord's own programs count: in units of UTF-16."""
    return len(text.encode("utf-16-le")) // 2

"""Our commands, as Discord is told of them.

In Discord's own numbers: kinds of command 1 (slash) and 3 (on a message), kinds of option 3 (text) and 4 (whole
number); installed to servers (0) and by people for themselves (1), used in servers (0), with the application (1) and in
other direct messages (2).
"""

from typing import Any

from config.counts import MAX_COUNT
from reconciliation.discord.commands import FIGURES, SUBMIT_AS_POST

_SLASH, _MESSAGE = 1, 3
_TEXT, _WHOLE_NUMBER = 3, 4
_EVERYWHERE: dict[str, Any] = {"integration_types": [0, 1], "contexts": [0, 1, 2]}


def commands() -> list[dict[str, Any]]:
    """All of them."""
    campaign = _option("campaign", "The campaign the post is for: type a part of its name.", autocomplete=True)
    figures = [
        _option(name, f"How many {name} it has. Leave it out to claim none.", kind=_WHOLE_NUMBER) for name in FIGURES
    ]
    return [
        _slash(
            "link", "Link your Discord user to your Claimcheck account.", _option("code", "From your Connections page.")
        ),
        _slash("submit", "Claim the figures of a post.", campaign, _option("url", "The link to the post."), *figures),
        _slash("status", "How your latest posts stand, or one of them.", _optional("post")),
        _slash("history", "Your latest claims and their verdicts."),
        {"name": SUBMIT_AS_POST, "type": _MESSAGE, **_EVERYWHERE},
    ]


def _slash(name: str, description: str, *options: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "type": _SLASH, "options": list(options), **_EVERYWHERE}


def _option(name: str, description: str, *, kind: int = _TEXT, autocomplete: bool = False) -> dict[str, Any]:
    option: dict[str, Any] = {"name": name, "description": description, "type": kind, "required": kind == _TEXT}
    if kind == _WHOLE_NUMBER:
        option |= {"min_value": 0, "max_value": MAX_COUNT}
    return option | ({"autocomplete": True} if autocomplete else {})


def _optional(name: str) -> dict[str, Any]:
    return _option(name, "Type a part of its title or address, or paste its link.", autocomplete=True) | {
        "required": False
    }

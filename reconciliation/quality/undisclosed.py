"""No word that the post is advertising, neither in its text, where that is known, nor by the platform's label."""

import re

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level

_SAID = re.compile(
    r"(?<!\w)#(?:ad|ads|advert|advertisement|sponsored|paidpartnership|paidpromotion|gifted|werbung|anzeige|reklame|"
    r"publicidad|publi|pub|sponsorisé|collaborationcommerciale|pubblicità|sponsorizzato|adv|reklam|publi(?:dade)?)(?!\w)"
    r"|\b(?:paid partnership|paid promotion|sponsored by|in partnership with|advertisement|anzeige|werbung)\b",
    re.IGNORECASE,
)


def discloses(text: str | None, label: bool | None) -> bool | None:
    """Whether a post says that it is advertising, by its text or by the platform's own label; None: not known."""
    if label:
        return True
    return None if text is None else bool(_SAID.search(text))


def notice(facts: Facts, values: Values) -> str | None:
    if facts.disclosed is not False:
        return None
    return "Nothing in the post's text, such as #ad or #sponsored, says that it is advertising."


RULE = Rule("undisclosed", "Advertising not disclosed", Level.LOW, notice)

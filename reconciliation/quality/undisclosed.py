"""No word that the post is advertising, where its text is known."""

import re

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level

_SAID = re.compile(
    r"(?<!\w)#(?:ad|ads|advert|advertisement|sponsored|paidpartnership|paidpromotion|gifted|werbung|anzeige|reklame|"
    r"publicidad|publi|pub|sponsorisé|collaborationcommerciale|pubblicità|sponsorizzato|adv|reklam|publi(?:dade)?)(?!\w)"
    r"|\b(?:paid partnership|paid promotion|sponsored by|in partnership with|advertisement)\b",
    re.IGNORECASE,
)


def notice(facts: Facts, values: Values) -> str | None:
    if facts.disclosed or facts.text is None or _SAID.search(facts.text):
        return None
    flag = ", and the platform's own label is not set" if facts.disclosed is False else ""
    return f"The text does not say that the post is advertising (#ad, #sponsored){flag}."


RULE = Rule("undisclosed", "Advertising not disclosed", Level.LOW, notice)

"""The post's author is known, and is not proven to be the affiliate."""

from reconciliation.quality.base import Facts, Rule, Values
from reconciliation.rules import Level


def notice(facts: Facts, values: Values) -> str | None:
    if facts.is_author_proven is not False:
        return None
    return "The account that published the post is not proven to be the affiliate's."


RULE = Rule("author_not_proven", "Author not proven", Level.LOW, notice)

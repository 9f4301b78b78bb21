"""Views out of proportion to likes and comments (on Reddit: to score and comments)."""

from reconciliation.quality.base import Facts, Option, Rule, Values
from reconciliation.rules import Level
from reconciliation.sentences import quantity


def notice(facts: Facts, values: Values) -> str | None:
    views = facts.claimed.views
    if views is None or facts.likes is None or facts.comments is None or views < values["views_from"]:
        return None
    reactions = max(facts.likes, 0) + facts.comments
    if reactions * values["views_each"] >= views:
        return None
    likes, comments = _likes(facts.platform, facts.likes), quantity(facts.comments, "comments")
    return f"Claims {views:,} views beside {likes} and {comments}."


def _likes(platform: str, number: int) -> str:
    if platform == "reddit":
        return f"a score of {number:,}"
    return quantity(number, "reactions" if platform == "facebook" else "likes")


RULE = Rule(
    "out_of_proportion",
    "Views out of proportion to reactions",
    Level.MEDIUM,
    notice,
    {
        "views_from": Option(10_000, "from so many views on"),
        "views_each": Option(2_000, "more views than this for each like and comment"),
    },
)

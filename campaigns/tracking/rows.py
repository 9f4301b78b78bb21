"""What pages show of tracking: figures as cards, links as rows, in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from campaigns.attribution import Unattributed
from campaigns.models import Click, TrackingLink
from campaigns.tracking.totals import Totals, totals
from config.templatetags.look import UNKNOWN, age, figure, money

_APART = {
    Click.Invalid.HEAD: "asked for headers only",
    Click.Invalid.PREFETCH: "loaded ahead",
    Click.Invalid.ROBOT: "by robots",
    Click.Invalid.REPEAT: "by the same visitor again",
    Click.Invalid.FLOOD: "in a flood",
}
_NOBODYS = {
    Unattributed.NO_CLICK: "without a click on the link before it",
    Unattributed.CLICK_TOO_OLD: "with a click that is too old",
    Unattributed.CLICK_AFTER_SALE: "with a click after the sale",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A figure as figure_card.html writes it."""

    label: str
    value: str
    note: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link with what came through it, as tables write it."""

    link: TrackingLink
    clicks: int
    set_apart: int
    sales: int
    sales_note: str
    worth: str
    last_click_at: datetime | None


def cards(found: Totals) -> list[Card]:
    """What came through, at most five figures."""
    return [
        Card("Clicks", figure(found.clicks), _last_click(found), tone="verified"),
        Card("Set apart", figure(found.clicks_set_apart), apart(found.set_apart) or "none so far"),
        Card("Sales", figure(found.conversions), _standing(found), tone="verified"),
        Card("Sold for", worth(found.amounts(is_reversed=False)), "approved and pending sales"),
        Card("Reversed", figure(found.conversions_reversed), _taken_back(found)),
    ]


def link_rows(links: Iterable[TrackingLink]) -> list[LinkRow]:
    """The links with their figures, which are read in three queries for all of them."""
    links = list(links)
    found = totals([link.pk for link in links])
    return [_link_row(link, found.get(link.pk, Totals())) for link in links]


def _link_row(link: TrackingLink, found: Totals) -> LinkRow:
    notes = {"pending": found.number_of("pending"), "reversed": found.conversions_reversed}
    return LinkRow(
        link=link,
        clicks=found.clicks,
        set_apart=found.clicks_set_apart,
        sales=found.conversions,
        sales_note=", ".join(f"{figure(number)} {status}" for status, number in notes.items() if number),
        worth=worth(found.amounts(is_reversed=False)),
        last_click_at=found.last_click_at,
    )


def apart(reasons: Mapping[str, int]) -> str:
    """Why visits were set apart, the most frequent reason first: "12 by robots, 3 in a flood"."""
    most_first = sorted(reasons.items(), key=lambda reason: -reason[1])
    return ", ".join(f"{figure(number)} {_APART[Click.Invalid(reason)]}" for reason, number in most_first)


def nobodys(reasons: Mapping[str, int]) -> str:
    """Why sales go back to no link: "2 with a click that is too old"."""
    return ", ".join(f"{figure(number)} {_NOBODYS[Unattributed(reason)]}" for reason, number in reasons.items())


def worth(amounts: Mapping[str, Decimal]) -> str:
    """Amounts by currency, side by side: currencies are never mixed."""
    return " + ".join(money(amount, currency) for currency, amount in amounts.items()) or UNKNOWN


def _last_click(found: Totals) -> str:
    return f"the last one {age(found.last_click_at)}" if found.last_click_at else "none yet"


def _standing(found: Totals) -> str:
    if not found.conversions:
        return "none yet"
    return f"{figure(found.number_of('approved'))} approved, {figure(found.number_of('pending'))} pending"


def _taken_back(found: Totals) -> str:
    amounts = found.amounts(is_reversed=True)
    return f"{worth(amounts)}, taken back by the shop" if amounts else "nothing taken back"

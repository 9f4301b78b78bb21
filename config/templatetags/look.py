"""How figures, money, moments and states are written, on every page alike.

A figure that nobody knows is written as a dash, never as zero. Moments are written in the active time zone.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import template
from django.http import QueryDict
from django.utils import timezone
from django.utils.html import format_html

from config import clock
from config.middleware import current_request_id

register = template.Library()

UNKNOWN = "—"
_MINUS = "\N{MINUS SIGN}"
_SPACE = "\N{NO-BREAK SPACE}"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_WITHOUT_CENTS = {"JPY", "KRW"}
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


@register.filter
def figure(value: int | None) -> str:
    """A count with thousands separators: 4,812,300."""
    return UNKNOWN if value is None else f"{value:,}".replace("-", _MINUS)


@register.filter
def percent(value: Decimal | float | None) -> str:
    """Percentage points to one place: 91.0 %."""
    return UNKNOWN if value is None else f"{_tenths(value)}{_SPACE}%".replace("-", _MINUS)


@register.filter
def signed_percent(value: Decimal | float | None) -> str:
    """Percentage points to one place, with their sign: +40.0 %, −2.7 %; 0.0 % has none."""
    if value is None:
        return UNKNOWN
    sign = "+" if _tenths(value) > 0 else ""
    return sign + percent(value)


@register.filter
def money(amount: Decimal | None, currency: str) -> str:
    """An amount in the currency's smallest unit: $3,971.00, €0.50, SEK 12.00."""
    if amount is None:
        return UNKNOWN
    rounded = round(amount, 0 if currency in _WITHOUT_CENTS else 2)
    symbol = _SYMBOLS.get(currency, currency + _SPACE)
    return f"{_MINUS if rounded < 0 else ''}{symbol}{abs(rounded):,f}"


@register.filter
def day(value: date | datetime | None) -> str:
    """A day: 14 Nov, or 14 Nov 2025 where the year is not the present one."""
    if value is None:
        return UNKNOWN
    if isinstance(value, datetime):
        value = timezone.localtime(value).date()
    year = "" if value.year == timezone.localtime(clock.now()).year else f" {value.year}"
    return f"{value.day} {value:%b}{year}"


@register.filter
def moment(value: datetime | None) -> str:
    """A day and its time: 23 Nov, 09:12."""
    return UNKNOWN if value is None else f"{day(value)}, {timezone.localtime(value):%H:%M}"


@register.filter
def age(value: datetime | None) -> str:
    """How long ago a moment was: just now, 4 min ago, 3 h ago, 2 d ago; from a week on, its day."""
    if value is None:
        return UNKNOWN
    seconds = int((clock.now() - value).total_seconds())
    if abs(seconds) < _MINUTE_S:
        return "just now"
    if not 0 < seconds < 7 * _DAY_S:
        return day(value)
    unit_s, unit = next(u for u in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")) if seconds >= u[0])
    return f"{seconds // unit_s}{_SPACE}{unit} ago"


@dataclass(frozen=True, slots=True)
class Badge:
    """A state as a shape, a word and a tone; the shape tells as much as the colour (the tone's CSS class).

    On a page it is an outline pill.
    """

    shape: str
    word: str
    tone: str

    def __html__(self) -> str:
        return format_html(
            '<span class="badge tone-{}"><span aria-hidden="true">{}</span>{}</span>', self.tone, self.shape, self.word
        )

    __str__ = __html__


_BADGES = {
    # levels
    "low": Badge("●", "Low", "low"),
    "medium": Badge("◆", "Medium", "medium"),
    "high": Badge("▲", "High", "high"),
    # verdicts
    "matched": Badge("✓", "Matched", "matched"),
    "too_early": Badge("◷", "Too early", "early"),
    "unverifiable": Badge("?", "Unverifiable", "unverifiable"),
    "post_missing": Badge("✕", "Post missing", "quiet"),
    "invalid_claim": Badge("!", "Invalid", "high"),
    # campaigns
    "draft": Badge("○", "Draft", "quiet"),
    "active": Badge("▸", "Active", "matched"),
    "paused": Badge("‖", "Paused", "medium"),
    "completed": Badge("■", "Completed", "quiet"),
    # alerts
    "open": Badge("○", "Open", "medium"),
    "acknowledged": Badge("◐", "Acknowledged", "early"),
    "snoozed": Badge("◔", "Snoozed", "quiet"),
    "resolved": Badge("✓", "Resolved", "matched"),
    # connections
    "connected": Badge("✓", "Connected", "matched"),
    "ends_soon": Badge("◷", "Ends soon", "medium"),
    "needs_you": Badge("!", "Needs you", "high"),
    "not_connected": Badge("○", "Not connected", "quiet"),
    # keys
    "live": Badge("✓", "Live", "matched"),
    "revoked": Badge("✕", "Revoked", "quiet"),
    # accounts
    "proven": Badge("✓", "Proven", "matched"),
    "checking": Badge("◐", "Checking", "early"),
    "said": Badge("○", "Not proven yet", "quiet"),
    # imported files ("checking" is said above) and what their rows come to
    "checked": Badge("○", "Waits for you", "medium"),
    "applying": Badge("◐", "Importing", "early"),
    "applied": Badge("✓", "Imported", "matched"),
    "failed": Badge("✕", "Failed", "high"),
    "discarded": Badge("✕", "Discarded", "quiet"),
    "new_post": Badge("✓", "New post", "matched"),
    "new_claim": Badge("✓", "New figures", "matched"),
    "unchanged": Badge("○", "Unchanged", "quiet"),
    "refused": Badge("!", "Refused", "high"),
    # breakers ("open" is said above) and connections ("active" as well)
    "closed": Badge("✓", "Closed", "matched"),
    "half_open": Badge("◐", "Half-open", "early"),
    "parked": Badge("‖", "Parked", "medium"),
    "disconnected": Badge("✕", "Disconnected", "quiet"),
    # what is suggested about over-claims
    "ignore": Badge("○", "Ignore", "quiet"),
    "reduce": Badge("◆", "Reduce", "medium"),
    "claw_back": Badge("▲", "Claw back", "high"),
    "suspend": Badge("!", "Suspend", "high"),
}
_WAITING = Badge("…", "Waiting", "quiet")


@register.simple_tag
def badge_for(status: str | None = None, level: str | None = None) -> Badge:
    """The badge of a state; of a discrepancy, or where only a level is given, that of the level.

    Without either it says that the state is still to come; a state it does not know it spells out.
    """
    state = level if level and (not status or status.lower() == "discrepancy") else status
    if not state:
        return _WAITING
    return _BADGES.get(state.lower(), Badge("·", state.replace("_", " ").capitalize(), "quiet"))


@register.simple_tag(takes_context=True)
def query_with(context: dict[str, Any], name: str, value: str) -> str:
    """The page's query string with `name` set to `value`, or without it where that is empty; back on page one."""
    given: QueryDict = context["request"].GET
    query = [(key, one) for key, several in given.lists() if key not in ("page", name) for one in several]
    return f"?{urlencode([*query, (name, value)] if value else query)}"


@register.simple_tag
def request_id() -> str:
    """The id of the request being answered, by which its log lines can be found."""
    return current_request_id()


def _tenths(value: Decimal | float) -> Decimal:
    """One place, halves to even; what rounds to nothing has no sign."""
    return round(Decimal(str(value)), 1) + 0

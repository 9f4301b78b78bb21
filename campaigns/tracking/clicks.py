"""Following a link: it is looked up, and the visit is written down and committed before the visitor is sent on.

Each visit is one row, whatever becomes of it, so that nobody waits for anybody else's row. A visitor who was counted in
this window already is a *repeat*, and is given the first click's id again; too many new visitors from one network
within a minute are a *flood*. The database does all that in one statement: see `functions`.
"""

from collections.abc import Mapping

from django.conf import settings
from django.db import connection

from campaigns import landing
from campaigns.models import ClickSalt
from campaigns.tracking import visitors
from config import clock
from config.ids import new_id


class LinkGoneError(Exception):
    """The link was disabled, or its campaign has no landing page any more."""


def follow(*, code: str, meta: Mapping[str, str], method: str) -> str | None:
    """Count a visit and say where it goes; None for a code that is no link's. Raises LinkGoneError.

    `meta` is the request's, as WSGI has it.
    """
    visitor = visitors.visitor(meta, proxies=settings.NUM_PROXIES, key=settings.SECRET_KEY)
    reason = visitors.invalid_reason(meta, method)
    moment_us = int(clock.now().timestamp() * 1_000_000)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM campaigns_follow(%s, %s, %s, %s, %s, %s, %s)",
            [code, new_id(), visitor.who, visitor.whence, moment_us, reason, settings.CLICK_FLOOD_PER_MIN],
        )
        click, landing_url, destination = cursor.fetchone()
    if landing_url == "":
        raise LinkGoneError
    return landing.target(landing_url, destination, str(click)) if click else None


def forget_salts() -> int:
    """Delete the salts whose window is over; returns how many."""
    return ClickSalt.objects.filter(ends_at__lte=clock.now()).delete()[0]

"""How platforms are doing: what their breakers, lanes and jobs say at this moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from config import clock
from platforms.health import Health, Signs, health
from platforms.models import Breaker, Connection, Platform
from reconciliation.models import Job

MAX_LANES = 200
"""Lanes that one answer shows; staff's pages have them all."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is due: how many looks, and since when the oldest one."""

    looks: int = 0
    oldest_due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """A connection, and what is due in it."""

    connection: Connection
    due: Waiting


@dataclass(frozen=True, slots=True)
class Details:
    """What staff see of a platform. `truncated`: there are more lanes than are shown."""

    breakers: Sequence[Breaker]
    due: Waiting
    lanes: Sequence[Lane]
    truncated: bool


def health_of(*, platforms: Sequence[Platform], livemode: bool) -> dict[UUID, Health]:
    """How these platforms are doing in the live or the test world, by their ids."""
    now = clock.now()
    breakers = {each.platform_id: each for each in Breaker.objects.filter(livemode=livemode)}
    own = {each.platform_id: each for each in Connection.objects.own().filter(livemode=livemode).worst_first()}
    oldest = dict(Job.objects.filter(connection__livemode=livemode).oldest_due_by_platform(now))
    return {
        platform.pk: health(
            Signs(
                circuit=breakers[platform.pk].circuit,
                parked=own[platform.pk].state == Connection.State.PARKED,
                free_at=own[platform.pk].free_at,
                oldest_due_at=oldest.get(platform.pk),
            ),
            now,
        )
        for platform in platforms
    }


def details_of(*, platform: Platform, livemode: bool | None) -> Details:
    """All that tells how a platform is doing in the live or the test world; None: in both."""
    world = {} if livemode is None else {"livemode": livemode}
    connections = list(Connection.objects.standing().filter(platform=platform, **world).worst_first()[: MAX_LANES + 1])
    there = Job.objects.filter(connection__platform=platform)
    if livemode is not None:
        there = there.filter(connection__livemode=livemode)
    due = {lane: Waiting(*found) for lane, *found in there.due_by_lane(clock.now())}
    return Details(
        breakers=list(Breaker.objects.filter(platform=platform, **world)),
        due=Waiting(
            looks=sum(each.looks for each in due.values()),
            oldest_due_at=min((each.oldest_due_at for each in due.values() if each.oldest_due_at), default=None),
        ),
        lanes=[Lane(each, due.get(each.pk, Waiting())) for each in connections[:MAX_LANES]],
        truncated=len(connections) > MAX_LANES,
    )

"""What can happen to platforms and connections."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least

from affiliates.models import User
from affiliates.services import audit
from config import clock
from platforms.adapters import ADAPTER_CLASSES
from platforms.metrics import PLATFORM_NAMES
from platforms.models import Connection, Platform


def register_platforms() -> None:
    """Give every adapter its platform row and the application's own connections, live and test.

    Runs after every migrate and is harmless to repeat.
    """
    for slug in ADAPTER_CLASSES:
        platform, _ = Platform.objects.get_or_create(slug=slug, defaults={"name": PLATFORM_NAMES[slug]})
        for livemode in (True, False):
            Connection.objects.get_or_create(platform=platform, affiliate=None, livemode=livemode)


def park_connection(*, connection_id: UUID, reason: str) -> None:
    """Stop a lane whose credential fails for good; its jobs wait, other lanes go on."""
    Connection.objects.filter(pk=connection_id, state=Connection.State.ACTIVE).update(
        state=Connection.State.PARKED, parked_at=clock.now(), parked_reason=reason[:200]
    )


@transaction.atomic
def resume_connection(*, connection_id: UUID, by: User) -> bool:
    """Let a parked lane work again, once its credential is mended; returns whether it was parked."""
    connection = Connection.objects.select_for_update(of=("self",)).get(pk=connection_id)
    if connection.state != Connection.State.PARKED:
        return False
    connection.state, connection.parked_at, connection.parked_reason = Connection.State.ACTIVE, None, ""
    connection.not_before = None
    connection.save(update_fields=["state", "parked_at", "parked_reason", "not_before"])
    audit(actor=by, action="connection.resumed", row=connection)
    return True


def hold_connection(*, connection_id: UUID, wait_s: int) -> None:
    """No call on this lane for so many seconds: the platform asked for it."""
    Connection.objects.filter(pk=connection_id).update(not_before=clock.now() + timedelta(seconds=wait_s))


def note_success(*, connection_id: UUID) -> None:
    """The platform answered this lane just now."""
    Connection.objects.filter(pk=connection_id).update(last_success_at=clock.now(), failures=0)


def note_failure(*, connection_id: UUID) -> int:
    """The platform did not answer this lane; returns how many times in a row that is."""
    lane = Connection.objects.filter(pk=connection_id)
    lane.update(failures=Least(F("failures") + 1, 1000))
    return lane.values_list("failures", flat=True).get()

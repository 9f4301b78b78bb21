"""Telling on Discord: a verdict follows the claim it is about, into the answer that the claim got there.

The row of the interaction says what is to be told and when; the queue is the hint. Whoever tells takes the row for
half a minute first, so that a worker that dies meanwhile leaves it to the sweep. Editing an answer twice does no harm.
What fails for now is tried again for as long as Discord honours the token.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import connection as database
from django.db import transaction
from django.db.models import F

from config import clock, vault
from config.bulk import array
from config.queue import enqueue
from platforms.errors import PlatformError
from reconciliation.discord import sending, words
from reconciliation.models import DiscordInteraction, ReconciliationLog

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=30)
"""Longer than a call may take."""
BACKOFF_BASE_S = 1
BACKOFF_MAX_S = 120
SWEPT_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class _Task:
    row: DiscordInteraction
    verdict: ReconciliationLog
    token: str


def note_verdicts(verdicts: Mapping[UUID, UUID]) -> None:
    """These verdicts, by the ids of their claims, are to be told where the claims were made, as long as the answers
    there can be edited. In the transaction that writes the verdicts."""
    if not verdicts:
        return
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE reconciliation_discordinteraction AS row
            SET verdict_id = new.verdict_id, tell_at = %(now)s, tell_attempts = 0
            FROM unnest(%(claims)s::uuid[], %(verdicts)s::uuid[]) AS new (claim_id, verdict_id)
            WHERE row.claim_id = new.claim_id AND row.locked <> '' AND row.token_expires_at > %(now)s
            RETURNING row.id
            """,
            {"now": clock.now(), "claims": array(verdicts), "verdicts": array(verdicts.values())},
        )
        ids = [row[0] for row in cursor.fetchall()]
    for interaction_id in ids:
        enqueue("reconciliation.tasks.tell_discord", interaction_id)


def tell(*, interaction_id: str) -> bool:
    """Edit the answer to an interaction so that it says the verdict; returns whether it does now. Does nothing where
    nothing is to be told, somebody else is at it, or the token has run out."""
    task = _take(interaction_id)
    if task is None:
        return False
    text = words.with_verdict(task.row.answer, task.verdict.explanation)
    try:
        sending.edit_answer(token=task.token, content=text)
    except sending.RefusedError as refusal:
        _give_up(task, refusal.code)
        return False
    except PlatformError as error:
        _put_off(task, error)
        return False
    _note_told(task)
    return True


def sweep() -> int:
    """Wake the telling that the queue forgot, and forget the tokens that have run out. Returns how many were woken."""
    now = clock.now()
    DiscordInteraction.objects.exclude(locked="").filter(token_expires_at__lte=now).update(locked="", tell_at=None)
    forgotten = DiscordInteraction.objects.filter(tell_at__lte=now - timedelta(seconds=1)).order_by("tell_at")
    ids = list(forgotten.values_list("pk", flat=True)[:SWEPT_AT_ONCE])
    for interaction_id in ids:
        enqueue("reconciliation.tasks.tell_discord", interaction_id)
    return len(ids)


@transaction.atomic
def _take(interaction_id: str) -> _Task | None:
    now = clock.now()
    due = DiscordInteraction.objects.select_for_update(of=("self",), skip_locked=True).select_related("verdict")
    row = due.filter(pk=interaction_id, tell_at__lte=now, token_expires_at__gt=now).exclude(locked="").first()
    if row is None or row.verdict is None:
        return None
    DiscordInteraction.objects.filter(pk=row.pk).update(tell_at=now + LEASE, tell_attempts=F("tell_attempts") + 1)
    return _Task(row, row.verdict, vault.unlock(row.locked)["token"])


def _note_told(task: _Task) -> None:
    """The token is kept only for as long as another verdict may follow."""
    told = DiscordInteraction.objects.filter(pk=task.row.pk, verdict=task.verdict)
    over = {"locked": ""} if task.verdict.is_counted else {}
    told.update(told_at=clock.now(), tell_at=None, **over)


def _give_up(task: _Task, code: str) -> None:
    log.warning("discord_not_told", interaction=task.row.pk, code=code)
    DiscordInteraction.objects.filter(pk=task.row.pk).update(locked="", tell_at=None)


def _put_off(task: _Task, error: PlatformError) -> None:
    wait_s = error.retry_after_s or min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2**task.row.tell_attempts)
    log.info("discord_put_off", interaction=task.row.pk, code=error.code, wait_s=wait_s)
    mine = DiscordInteraction.objects.filter(pk=task.row.pk, verdict=task.verdict)
    mine.update(tell_at=clock.now() + timedelta(seconds=wait_s))

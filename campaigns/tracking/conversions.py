"""Taking what a shop reports: a transaction once, and its events as they come.

A Conversion is one transaction of one campaign. The first event makes it, attributed to a click or kept with the reason
why not; a later one may change how it stands: pending becomes approved or reversed, approved becomes reversed, and
reversed is final. An event that was taken before changes nothing. Of several clients at once the unique index lets one
make the conversion; the others find it, and wait for its row.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from django.db import transaction

from campaigns import attribution
from campaigns.errors import DifferentConversionError, PostbackError
from campaigns.models import Campaign, Click, Conversion, ConversionEvent, TrackingLink
from config import clock
from config.ids import new_id
from config.queue import enqueue

_FROM = {
    Conversion.Status.APPROVED: (Conversion.Status.PENDING,),
    Conversion.Status.REVERSED: (Conversion.Status.PENDING, Conversion.Status.APPROVED),
}
"""Into which status a conversion may come from which."""


@dataclass(frozen=True, slots=True)
class Postback:
    """What a shop says about one transaction; `digest` is that of the request as it was signed."""

    transaction_id: str
    amount: Decimal
    currency: str
    status: str
    digest: str
    click_id: UUID | None = None
    code: str = ""
    occurred_at: datetime | None = None

    @property
    def named(self) -> str:
        """The click or the link, as the shop named it."""
        return str(self.click_id) if self.click_id else self.code


class Outcome(StrEnum):
    """What a postback came to."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


def take_postback(*, campaign: Campaign, postback: Postback) -> tuple[Conversion, Outcome]:
    """Take an event. Raises PostbackError for another campaign's click, link or currency, DifferentConversionError for
    a transaction that is known otherwise, or in a status that this one can't follow."""
    with transaction.atomic():
        known = _locked(campaign, postback)
        if known is None:
            made = _make(campaign, postback)
            if made:
                return made, Outcome.NEW
            known = _locked(campaign, postback)  # somebody made it just now
        if known is None:
            raise PostbackError("The transaction can't be read just now. Send it again.", code="postback_refused")
        return known, _follow_up(known, postback)


def _locked(campaign: Campaign, postback: Postback) -> Conversion | None:
    """The transaction as it stands, for nobody else to change meanwhile."""
    rows = Conversion.objects.select_for_update(of=("self",), no_key=True)
    rows = rows.filter(campaign=campaign, transaction_id=postback.transaction_id).select_related("link")
    found: Conversion | None = rows.first()
    return found


def _make(campaign: Campaign, postback: Postback) -> Conversion | None:
    """A new conversion with its first event; None where another client was faster."""
    if postback.currency != campaign.currency:
        raise PostbackError(
            f"This campaign's currency is {campaign.currency}.", field="currency", code="other_currency"
        )
    now = clock.now()
    sold_at = postback.occurred_at or now
    found = _attribution(campaign, postback, sold_at)
    row = Conversion(
        campaign=campaign,
        transaction_id=postback.transaction_id,
        link_id=found.visit.link if found.visit else None,
        click_id=found.visit.id if found.visit else None,
        named=postback.named,
        unattributed=found.reason.value if found.reason else "",
        amount=postback.amount,
        currency=postback.currency,
        status=postback.status,
        occurred_at=sold_at,
        received_at=now,
        created_at=now,
        reversed_at=now if postback.status == Conversion.Status.REVERSED else None,
    )
    Conversion.objects.bulk_create([row], ignore_conflicts=True)
    if not Conversion.objects.filter(pk=row.pk).exists():
        return None
    _note_event(row, postback, 1, now)
    return row


def _attribution(campaign: Campaign, postback: Postback, sold_at: datetime) -> attribution.Attribution:
    days = campaign.attribution_days
    if postback.click_id:
        click = Click.objects.filter(pk=postback.click_id, link__campaign=campaign).select_related("link").first()
        if click is None or postback.code not in ("", click.link.code):
            raise PostbackError("There is no such click of this campaign.", field="click_id", code="unknown_click")
        return attribution.by_click(_visit(click), sold_at=sold_at, window_days=days)
    link = TrackingLink.objects.filter(campaign=campaign, code=postback.code).first()
    if link is None:
        raise PostbackError("There is no such link of this campaign.", field="code", code="unknown_link")
    last = Click.objects.filter(link=link, invalid_reason="", at__lte=sold_at + attribution.CLOCK_SKEW)
    visits = [_visit(click) for click in last.order_by("-at", "-id")[:1]]
    return attribution.by_link(visits, sold_at=sold_at, window_days=days)


def _visit(click: Click) -> attribution.Visit:
    return attribution.Visit(click.pk, click.link_id, click.at)


def _follow_up(known: Conversion, postback: Postback) -> Outcome:
    """Another event of a known transaction."""
    _check_same(known, postback)
    taken = list(known.events.values_list("status", flat=True))
    if postback.status in taken:
        return Outcome.UNCHANGED
    if known.status not in _FROM.get(Conversion.Status(postback.status), ()):
        raise DifferentConversionError(
            f"This transaction is {known.status}: it can't become {postback.status}.",
            field="status",
            code="conversion_state",
        )
    now = clock.now()
    known.status = postback.status
    known.reversed_at = now if postback.status == Conversion.Status.REVERSED else None
    known.save(update_fields=["status", "reversed_at"])
    _note_event(known, postback, len(taken) + 1, now)
    return Outcome.CHANGED


def _check_same(known: Conversion, postback: Postback) -> None:
    """Its click and its link are two names of the sale's origin: a shop may use either in a later event."""
    origins = {known.named, str(known.click_id), known.link.code if known.link else None}
    same = {
        "amount": (known.amount, known.amount == postback.amount),
        "currency": (known.currency, known.currency == postback.currency),
        "click_id" if postback.click_id else "code": (known.named, postback.named in origins),
    }
    for field, (before, is_same) in same.items():
        if not is_same:
            raise DifferentConversionError(f"This transaction is known with another {field}: {before}.", field=field)


def _note_event(row: Conversion, postback: Postback, sequence: int, now: datetime) -> None:
    ConversionEvent.objects.create(
        id=new_id(), conversion=row, sequence=sequence, status=postback.status, digest=postback.digest, at=now
    )
    if row.link_id:
        enqueue("reconciliation.tasks.look_at_link", str(row.link_id), postback.status)

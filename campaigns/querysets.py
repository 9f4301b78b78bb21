"""Sets of advertisers, campaigns and posts that have a name; above all: whose rows may somebody see?"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.apps import apps
from django.db import connection, models
from django.db.models import Case, Count, DateField, ExpressionWrapper, F, Prefetch, Q, Value, When
from django.db.models.expressions import RawSQL

from config.bulk import array, read_rows
from config.compiled import Compiled
from platforms.links import NeedsNetwork, PostLink, identify

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from affiliates.models import Affiliate, User
    from campaigns.models import Campaign


class AdvertiserQuerySet(models.QuerySet[Any]):
    """Advertisers."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, members their own."""
        return self.filter(_in_mode_of(user), Q() if user.is_staff else Q(pk__in=_advertisers_of(user)))

    def managed_by(self, user: "User | AnonymousUser") -> Self:
        """Those whose campaigns this user decides on: staff all, managers their own."""
        mine = Q() if user.is_staff else Q(pk__in=_advertisers_of(user, role="manager"))
        return self.filter(_in_mode_of(user), mine, is_active=True)


STATUS_ORDER = ("active", "draft", "paused", "completed")
"""In which people look at campaigns."""


class CampaignQuerySet(models.QuerySet[Any]):
    """Campaigns."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, members their advertiser's, affiliates those they are in or may join."""
        if user.is_staff:
            return self.filter(_in_mode_of(user))
        theirs = Q(advertiser__in=_advertisers_of(user)) | Q(pk__in=_joined_by(user))
        if getattr(user, "affiliate", None):
            theirs |= Q(is_open=True, status__in=("active", "completed"))
        return self.filter(_in_mode_of(user), theirs)

    def visible_one(self, user: "User", pk: UUID) -> "Campaign | None":
        """The campaign of this id with its advertiser, if it is visible to the user. Each claim asks this."""
        is_affiliate = not user.is_staff and getattr(user, "affiliate", None) is not None
        query = _visible_one(user.is_staff, is_affiliate, user.livemode)
        found: list[Campaign] = query.fetch({_USER: user.pk, _CAMPAIGN: pk})
        return found[0] if found else None

    def open_to(self, affiliate: "Affiliate", today: date) -> Self:
        """Those an affiliate may claim for: joined or to be joined by a claim, and taking claims around this day.

        It may be another day where the advertiser is: `takes_claims_on` has the last word.
        """
        enrolments = apps.get_model("campaigns", "Enrolment").objects.filter(affiliate=affiliate)
        removed = enrolments.filter(status="removed").values("campaign_id")
        joined = enrolments.exclude(status="removed").values("campaign_id")
        last_day = ExpressionWrapper(F("ends_on") + F("claim_window_days"), output_field=DateField())
        day = timedelta(days=1)
        return (
            self.alias(last_day=last_day)
            .filter(Q(pk__in=joined) | Q(is_open=True), status__in=("active", "completed"), advertiser__is_active=True)
            .filter(starts_on__lte=today + day, last_day__gte=today - day)
            .exclude(pk__in=removed)
        )

    def managed_by(self, user: "User | AnonymousUser") -> Self:
        """Those this user may edit: staff all, managers their advertiser's while it is active."""
        mine = Q(advertiser__in=_advertisers_of(user, role="manager"), advertiser__is_active=True)
        mine = Q() if user.is_staff else mine
        return self.filter(_in_mode_of(user), mine)

    def for_api(self) -> Self:
        """Everything the API says of a campaign, in one query and one for the platforms."""
        platforms = apps.get_model("campaigns", "CampaignPlatform").objects.select_related("platform")
        return self.select_related("brand", "market").prefetch_related(Prefetch("campaign_platforms", platforms))

    def for_list(self) -> Self:
        """Everything the dashboard shows of a campaign itself, what runs first and then the newest."""
        order = Case(*(When(status=status, then=Value(rank)) for rank, status in enumerate(STATUS_ORDER)))
        return self.for_api().select_related("advertiser").order_by(order, "-created_at", "-id")

    def status_counts(self) -> dict[str, int]:
        """How many campaigns there are in each status that has any."""
        return dict(self.order_by().values_list("status").annotate(n=Count("pk")))

    def linkable(self) -> Self:
        """Those for which there may be new tracking links."""
        return self.filter(advertiser__is_active=True).exclude(status="completed").exclude(landing_url="")

    def for_advertiser_side(self, user: "User | AnonymousUser") -> Self:
        """Those whose money and rules this user may see: staff all, members their advertiser's."""
        mine = Q() if user.is_staff else Q(advertiser__in=_advertisers_of(user))
        return self.filter(_in_mode_of(user), mine)


class PostQuerySet(models.QuerySet[Any]):
    """Posts."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, members their advertiser's, affiliates their own."""
        return self.filter(_in_mode_of(user, "campaign__livemode"), Q() if user.is_staff else _mine(user))

    def standing(self) -> Self:
        """Neither displaced by a proven owner nor merged into another."""
        return self.filter(displaced_at=None, merged_into=None)

    def linked_by(self, text: str) -> Self:
        """Those that a text names: by a link to them in any of its forms, or by their id in it."""
        link = identify(text)
        if isinstance(link, PostLink):
            return self.filter(platform__slug=link.platform, external_id=link.external_id)
        platforms = apps.get_model("platforms", "Platform").objects.values("pk")
        if isinstance(link, NeedsNetwork):
            return self.filter(Q(url=link.url) | ~Q(short_url="") & Q(short_url=link.url), platform__in=platforms)
        return self.filter(external_id=text, platform__in=platforms)

    def of_content(self, platform_id: UUID, content_id: str) -> Self:
        """Those of one content: its id in their link, or at the platform's API."""
        return self.filter(Q(external_id=content_id) | Q(api_id=content_id), platform=platform_id)

    def unmerged_twins(self, limit: int) -> list[UUID]:
        """Some posts that turned out to be one content with another, of which one has to give way and none has: of each
        such pair one that the API's own id gives away."""
        rows = read_rows(
            """
            WITH pair AS (
                SELECT post.id AS post_id, twin.id AS twin_id FROM campaigns_post post
                JOIN campaigns_post twin
                    ON twin.platform_id = post.platform_id AND twin.api_id = post.api_id AND twin.id < post.id
                WHERE post.api_id > ''
                UNION ALL
                SELECT post.id, twin.id FROM campaigns_post post
                JOIN campaigns_post twin
                    ON twin.platform_id = post.platform_id AND twin.external_id = post.api_id AND twin.id <> post.id
                WHERE post.api_id > ''
            )
            SELECT DISTINCT post.id
            FROM pair
            JOIN campaigns_post post ON post.id = pair.post_id
            JOIN campaigns_post twin ON twin.id = pair.twin_id
            JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
            JOIN campaigns_campaign other ON other.id = twin.campaign_id AND other.livemode = campaign.livemode
            WHERE post.is_identified AND post.displaced_at IS NULL AND post.merged_into_id IS NULL
                AND twin.is_identified AND twin.displaced_at IS NULL AND twin.merged_into_id IS NULL
                AND (post.affiliate_id <> twin.affiliate_id OR campaign.id = other.id)
            LIMIT %s
            """,
            [limit],
        )
        return [row[0] for row in rows]

    def write_api_ids(self, found: Mapping[UUID, str]) -> None:
        """Save the ids that a platform's API has for these posts, in one statement; "" for one looked for in vain."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE campaigns_post AS row SET api_id = new.api_id
                FROM unnest(%s::uuid[], %s::text[]) AS new (id, api_id) WHERE row.id = new.id
                """,
                [list(found), list(found.values())],
            )

    def write_looks(self, looks: Sequence[tuple[UUID, bool, datetime | None, str | None, str, str]]) -> None:
        """Save what a settled batch of looks changed, in one statement: of each post its id, is_reconciled, posted_at,
        api_id, author_id and ownership."""
        ids, reconciled, posted, api_ids, authors, ownerships = zip(*looks, strict=True)
        with connection.cursor() as cursor:
            cursor.execute(
                """
                UPDATE campaigns_post AS row
                SET is_reconciled = new.is_reconciled, posted_at = new.posted_at, api_id = new.api_id,
                    author_id = new.author_id, ownership = new.ownership
                FROM unnest(%s::uuid[], %s::boolean[], %s::timestamptz[], %s::text[], %s::text[], %s::text[])
                    AS new (id, is_reconciled, posted_at, api_id, author_id, ownership)
                WHERE row.id = new.id
                """,
                [array(ids), array(reconciled), array(posted), list(api_ids), list(authors), list(ownerships)],
            )


class PostTextQuerySet(models.QuerySet[Any]):
    """What posts call themselves."""

    def write_author_handles(self, handles: Mapping[UUID, str]) -> None:
        """Save who published these posts, in one statement."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO campaigns_posttext (post_id, title, description, author_handle)
                SELECT post_id, '', '', handle FROM unnest(%s::uuid[], %s::text[]) AS new (post_id, handle)
                ORDER BY post_id
                ON CONFLICT (post_id) DO UPDATE SET author_handle = EXCLUDED.author_handle
                """,
                [array(handles), list(handles.values())],
            )


class TrackingLinkQuerySet(models.QuerySet[Any]):
    """Tracking links."""

    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Staff see all, members their advertiser's, affiliates their own."""
        return self.filter(_in_mode_of(user, "campaign__livemode"), Q() if user.is_staff else _mine(user))

    def usable(self) -> Self:
        """Those that lead somewhere."""
        return self.filter(disabled_at=None)


class ConversionQuerySet(models.QuerySet[Any]):
    """Transactions that shops reported."""

    def counting(self) -> Self:
        """Those that were not reversed."""
        return self.exclude(status="reversed")


def own_advertisers(user: "User | AnonymousUser") -> frozenset[UUID] | None:
    """Those whose money and rules this user may see; None: all, to staff."""
    return None if user.is_staff else advertisers_of_member(user)


def advertisers_of_member(user: "User | AnonymousUser") -> frozenset[UUID]:
    """Those that this user is a member of. It is found out once, as a request reads its user anew."""
    known: frozenset[UUID] | None = getattr(user, "_advertisers_of_member", None)
    if known is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT advertiser_id FROM campaigns_membership WHERE user_id = %s", [user.pk])
            known = frozenset(row[0] for row in cursor.fetchall())
        user._advertisers_of_member = known  # type: ignore[union-attr]
    return known


# Nearly every query of a request is narrowed by these two: as SQL they take the ORM no time to write.
_USER, _CAMPAIGN = UUID(int=1), UUID(int=2)


@cache
def _visible_one(is_staff: bool, is_affiliate: bool, livemode: bool | None) -> Compiled:
    user: Any = SimpleNamespace(pk=_USER, is_staff=is_staff, affiliate=is_affiliate, livemode=livemode)
    visible = apps.get_model("campaigns", "Campaign").objects.visible_to(user)
    return Compiled(visible.filter(pk=_CAMPAIGN), "advertiser")


def _advertisers_of(user: "User | AnonymousUser", *, role: str | None = None) -> RawSQL:
    return RawSQL(
        "SELECT advertiser_id FROM campaigns_membership WHERE user_id = %s AND role = COALESCE(%s, role)",
        [user.pk, role],
    )


def _mine(user: "User | AnonymousUser") -> Q:
    """What an affiliate published, or what is published for a member's advertisers: one of the two for all but a few.

    It is found out before, since PostgreSQL has no index for "one or the other" and would look through everybody's.
    """
    for_us, affiliate = Q(campaign__advertiser__in=_advertisers_of(user)), getattr(user, "affiliate", None)
    if affiliate is None:
        return for_us
    by_us = Q(affiliate=affiliate.pk)
    return by_us | for_us if advertisers_of_member(user) else by_us


def _joined_by(user: "User | AnonymousUser") -> RawSQL:
    return RawSQL(
        """
        SELECT campaign_id FROM campaigns_enrolment
        WHERE status <> 'removed' AND affiliate_id = (SELECT id FROM affiliates_affiliate WHERE user_id = %s)
        """,
        [user.pk],
    )


def _in_mode_of(user: "User | AnonymousUser", path: str = "livemode") -> Q:
    """A key sees the live or the test world; a person sees both."""
    livemode = getattr(user, "livemode", None)
    return Q() if livemode is None else Q(**{path: livemode})

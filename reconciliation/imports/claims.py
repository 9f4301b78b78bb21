"""A file of claims: one row a post."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Lower

from affiliates.models import Affiliate, User
from campaigns.models import Campaign, Enrolment
from config.errors import DomainError
from platforms.links import MAX_URL_CHARS, NotAPost, PostLink, identify
from platforms.models import Platform
from reconciliation.comparison import Figures
from reconciliation.imports.cells import CellError, as_id, count, text
from reconciliation.imports.kinds import Outcome, Result, Values
from reconciliation.models import AffiliateReport
from reconciliation.services import submission
from reconciliation.services.admission import Entry

_FIGURES = ("claimed_views", "claimed_clicks", "claimed_conversions")


class Claims:
    """Claims by affiliates, who are named by id, e-mail or name; campaigns by id or system name."""

    columns = ("affiliate", "campaign", "platform", "url", *_FIGURES, "title", "description", "tracking_link")
    required = ("affiliate", "campaign", "url")

    def key(self, values: Values) -> Hashable:
        """A post in a campaign."""
        link = identify(values["url"])
        if isinstance(link, NotAPost):
            return None
        return values["campaign"].lower(), link.platform, link.external_id if isinstance(link, PostLink) else link.url

    def preview(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        entries = _entries(rows, by)
        outcomes = iter(submission.preview_many(entries=[each for each in entries if isinstance(each, Entry)]))
        return [_result(next(outcomes) if isinstance(each, Entry) else each) for each in entries]

    def write(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        entries = _entries(rows, by)
        taken = [each for each in entries if isinstance(each, Entry)]
        outcomes = iter(submission.submit_many(entries=taken, method=AffiliateReport.Method.IMPORT))
        return [_result(next(outcomes) if isinstance(each, Entry) else each) for each in entries]


def _result(outcome: Any) -> Result:
    if isinstance(outcome, DomainError):
        return Result.of(outcome)
    if isinstance(outcome, submission.Submission):
        return Result(Outcome(outcome.outcome.value), outcome.post.pk)
    return Result(Outcome(outcome.value))


def _entries(rows: Sequence[Values], by: User) -> list[Entry | DomainError]:
    named = _Named(rows, by)
    entries: list[Entry | DomainError] = []
    for values in rows:
        try:
            entries.append(named.entry(dict(values)))
        except DomainError as refusal:
            entries.append(refusal)
    return entries


@dataclass(slots=True)
class _Named:
    """What some rows name, as far as who imports them may name it."""

    campaigns: dict[str, Campaign]
    affiliates: dict[str, Affiliate]
    platforms: dict[str, Platform]
    enrolled: set[tuple[UUID, UUID]] | None
    """None: any affiliate may be named."""

    def __init__(self, rows: Sequence[Values], by: User) -> None:
        campaigns = Campaign.objects.managed_by(by).select_related("advertiser")
        names = {values["campaign"] for values in rows}
        ids = {pk for pk in map(as_id, names) if pk}
        self.campaigns = {}
        for campaign in campaigns.filter(Q(name__in=names) | Q(pk__in=ids)):
            self.campaigns |= {campaign.name: campaign, str(campaign.pk): campaign}
        people = {values["affiliate"].lower() for values in rows}
        ids = {pk for pk in map(as_id, people) if pk}
        named = Q(lower_name__in=people) | Q(user__email__in=people) | Q(pk__in=ids)
        self.affiliates = {}
        for affiliate in Affiliate.objects.annotate(lower_name=Lower("name")).filter(named).select_related("user"):
            names_of = (affiliate.lower_name, affiliate.user.email, str(affiliate.pk))
            self.affiliates |= dict.fromkeys(names_of, affiliate)
        self.platforms = {platform.slug: platform for platform in Platform.objects.all()}
        self.enrolled = None
        if not by.is_staff:
            there = Enrolment.objects.filter(campaign__in={each.pk for each in self.campaigns.values()})
            theirs = there.filter(affiliate__in={each.pk for each in self.affiliates.values()})
            self.enrolled = set(theirs.values_list("campaign", "affiliate"))

    def entry(self, values: dict[str, str]) -> Entry:
        """The claim of one row. Raises DomainError."""
        campaign = self.campaigns.get(values["campaign"]) or self.campaigns.get(values["campaign"].lower())
        if campaign is None:
            raise CellError("There is no such campaign of yours.", field="campaign", code="unknown_campaign")
        affiliate = self.affiliates.get(values["affiliate"].lower())
        hidden = affiliate and self.enrolled is not None and (campaign.pk, affiliate.pk) not in self.enrolled
        if affiliate is None or hidden:
            raise CellError("There is no such affiliate.", field="affiliate", code="unknown_affiliate")
        url = values["url"]
        if not url or len(url) > MAX_URL_CHARS:
            raise CellError(f"A link of at most {MAX_URL_CHARS} characters.", field="url")
        return Entry(
            affiliate=affiliate,
            campaign=campaign,
            platform=self._platform(values.get("platform", ""), url),
            url=url,
            figures=Figures(*(count(values, column) for column in _FIGURES)),
            title=text(values, "title", most=300),
            description=text(values, "description", most=5000, multiline=True),
            tracking_link=text(values, "tracking_link", most=16),
        )

    def _platform(self, named: str, url: str) -> Platform:
        """The one that is named, else the one that the link leads to."""
        link = identify(url)
        slug = {"meta": "facebook"}.get(named.lower(), named.lower()) if named else link.platform
        if slug is None and isinstance(link, NotAPost):
            raise CellError(link.reason, field="url", code=str(link.code))
        platform = self.platforms.get(slug or "")
        if platform is None:
            raise CellError("There is no such platform.", field="platform", code="unknown_platform")
        return platform

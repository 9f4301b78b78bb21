"""A file of claims: one row a post."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from affiliates.models import Affiliate, User, normalise_email
from campaigns.models import Campaign, Enrolment, Post
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
    chunk_rows = 500

    def visible_to(self, by: User) -> "QuerySet[Post]":
        return Post.objects.filter(campaign__in=Campaign.objects.managed_by(by))

    def keys(self, rows: Sequence[Values], *, by: User) -> Sequence[Hashable]:
        """A post in a campaign."""
        campaigns = _campaigns(rows, by)
        return [_key(campaigns.get(_id_or(values["campaign"])), values["url"]) for values in rows]

    def preview(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        entries = _entries(rows, by)
        outcomes = iter(submission.preview_many(entries=[each for each in entries if isinstance(each, Entry)]))
        return [_result(next(outcomes) if isinstance(each, Entry) else each) for each in entries]

    def write(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        entries = _entries(rows, by)
        taken = [each for each in entries if isinstance(each, Entry)]
        outcomes = iter(submission.submit_many(entries=taken, method=AffiliateReport.Method.IMPORT))
        return [_result(next(outcomes) if isinstance(each, Entry) else each) for each in entries]


def _key(campaign: Campaign | None, url: str) -> Hashable:
    link = identify(url)
    if campaign is None or isinstance(link, NotAPost):
        return None
    return campaign.pk, link.platform, link.external_id if isinstance(link, PostLink) else link.url


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


def _campaigns(rows: Sequence[Values], by: User) -> dict[str, Campaign]:
    """Those that the rows name and their importer may name, by their names and ids."""
    names = {_id_or(values["campaign"]) for values in rows}
    managed = Campaign.objects.managed_by(by).select_related("advertiser")
    found = managed.filter(Q(name__in=names) | Q(pk__in=list(filter(as_id, names))))
    return {campaign.name: campaign for campaign in found} | {str(campaign.pk): campaign for campaign in found}


def _affiliates(rows: Sequence[Values]) -> dict[str, Affiliate]:
    """Those that the rows name, by their names in lower case, e-mails and ids. What somebody calls themselves never
    stands for another's e-mail or id."""
    people = {_id_or(normalise_email(values["affiliate"])) for values in rows}
    named = Q(lower_name__in=people) | Q(user__email__in=people) | Q(pk__in=list(filter(as_id, people)))
    found = Affiliate.objects.annotate(lower_name=Lower("name")).filter(named).select_related("user")
    names: dict[str, Affiliate] = {affiliate.lower_name: affiliate for affiliate in found}
    return names | {each.user.email: each for each in found} | {str(each.pk): each for each in found}


def _id_or(text: str) -> str:
    """An id as we write it; any other text as it is."""
    return str(as_id(text) or text)


@dataclass(slots=True)
class _Named:
    """What some rows name, as far as who imports them may name it."""

    campaigns: dict[str, Campaign]
    affiliates: dict[str, Affiliate]
    platforms: dict[str, Platform]
    enrolled: set[tuple[UUID, UUID]] | None
    """None: any affiliate may be named."""

    def __init__(self, rows: Sequence[Values], by: User) -> None:
        self.campaigns = _campaigns(rows, by)
        self.affiliates = _affiliates(rows)
        self.platforms = {platform.slug: platform for platform in Platform.objects.all()}
        self.enrolled = None
        if not by.is_staff:
            there = Enrolment.objects.filter(campaign__in={each.pk for each in self.campaigns.values()})
            theirs = there.filter(affiliate__in={each.pk for each in self.affiliates.values()})
            self.enrolled = set(theirs.values_list("campaign", "affiliate"))

    def entry(self, values: dict[str, str]) -> Entry:
        """The claim of one row. Raises DomainError."""
        campaign = self.campaigns.get(_id_or(values["campaign"]))
        if campaign is None:
            raise CellError("There is no such campaign of yours.", field="campaign", code="unknown_campaign")
        affiliate = self.affiliates.get(_id_or(normalise_email(values["affiliate"])))
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

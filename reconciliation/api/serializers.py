"""What answers show of posts, claims, snapshots, verdicts and runs.

Percentages, shares and money are text, so that no reader loses a digit; a figure that nobody knows is null, never 0.
"""

from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.urls import get_script_prefix, reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from campaigns.models import Post
from config.api.fields import CountField
from config.api.schema import ProblemSerializer
from config.api.shown import Columns, Context, Row, Show, Shown, digits
from platforms.metrics import Availability, Metric
from reconciliation.clawback import Action
from reconciliation.comparison import Level, Status, TrustEffect
from reconciliation.gaps import Look
from reconciliation.models import AffiliateReport, Run
from reconciliation.outcomes import DECIDABLE, REASON_CODES
from reconciliation.quality import RULES
from reconciliation.services.admission import Outcome
from reconciliation.trust import KINDS, Counts, PolicyName

METRICS = (Metric.VIEWS, Metric.CLICKS, Metric.CONVERSIONS)
"""What can be claimed."""
CLAIM_STATUSES = ["PENDING", "WITHDRAWN", *(each.value for each in Status)]
"""A claim's status is that of its latest verdict."""
NO_POST = UUID(int=0)
ADVERTISER_SIDE_ONLY = ("ruleset_version", "money_at_risk", "currency")


class NamedSerializer(Shown):
    """A person, a company or a campaign, in short."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class CampaignInShortSerializer(NamedSerializer):
    """A campaign, in short."""

    name = serializers.CharField(source="campaign_name")


class PostInShortSerializer(Shown):
    """A post, in short."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    platform = serializers.CharField(source="platform.slug")


class ClaimSerializer(Shown):
    """A claim. Null: not claimed."""

    id = serializers.UUIDField()
    claimed_views = CountField(allow_null=True)
    claimed_clicks = CountField(allow_null=True)
    claimed_conversions = CountField(allow_null=True)
    submission_method = serializers.ChoiceField(AffiliateReport.Method.choices)
    claimed_at = serializers.DateTimeField()


class TruthSerializer(Shown):
    """A snapshot: what the sources of truth said at one moment. Null: no source says."""

    id = serializers.UUIDField()
    availability = serializers.ChoiceField(
        [each.value for each in Availability], allow_null=True, help_text="Null: the platform was not asked."
    )
    deleted = serializers.BooleanField(help_text="The platform itself says that the post was deleted or removed.")
    views = CountField(allow_null=True)
    clicks = CountField(allow_null=True)
    conversions = CountField(allow_null=True)
    likes = CountField(allow_null=True)
    comments = CountField(allow_null=True)
    shares = CountField(allow_null=True)
    provenance = serializers.DictField(child=serializers.CharField(), help_text="Which source said each figure.")
    definitions = serializers.DictField(child=serializers.CharField(), help_text="What each figure meant on that day.")
    fetched_at = serializers.DateTimeField()


class GapSerializer(Shown):
    """How much of a gap could have an innocent reason, at most, and how much is left. The four add up to it."""

    rounding = CountField(help_text="Platforms show large figures in short: 12.4K.")
    definition = CountField(help_text="The platform began to count something else in between.")
    lag = CountField(help_text="The source may not have caught up yet.")
    unexplained = CountField()


class MetricSerializer(Shown):
    """One figure of a claim beside its truth. `difference` is claimed minus truth, `percentage` that of the truth;
    `gap` is null where nothing is over."""

    claimed = CountField(allow_null=True)
    truth = CountField(allow_null=True)
    difference = serializers.IntegerField(allow_null=True)
    percentage = serializers.DecimalField(20, 2, allow_null=True)
    provenance = serializers.CharField(allow_null=True)
    definition = serializers.CharField(allow_null=True)
    gap = GapSerializer(allow_null=True)


class MetricsSerializer(Shown):
    """The three figures that can be claimed, as a verdict compared them."""

    views = MetricSerializer()
    clicks = MetricSerializer()
    conversions = MetricSerializer()

    @classmethod
    def derived(cls, columns: Columns) -> dict[str, Show]:
        return {metric.value: _compared(metric, columns) for metric in METRICS}


def _compared(metric: Metric, columns: Columns) -> Show:
    """The truth of a claimed figure is the one that it was held against: sales reversed after a claim are in it."""
    claimed_at = columns.place(f"affiliate_report.claimed_{metric}")
    truth_at = columns.place(f"platform_report.{metric}")
    difference_at, percentage_at = columns.place(f"{metric}_discrepancy"), columns.place(f"{metric}_diff_pct")
    provenance_at = columns.place("platform_report.provenance")
    definitions_at = columns.place("platform_report.definitions")
    look_at = [
        columns.place(source)
        for source in (
            "post.platform.slug",
            "affiliate_report.claimed_at",
            "platform_report.fetched_at",
            "platform_report.posted_at",
            "terms",
        )
    ]

    def show(row: Row, context: Context) -> dict[str, Any]:
        claimed, difference = row[claimed_at], row[difference_at]
        return {
            "claimed": claimed,
            "truth": row[truth_at] if difference is None else claimed - difference,
            "difference": difference,
            "percentage": digits(row[percentage_at]),
            "provenance": row[provenance_at].get(metric),
            "definition": row[definitions_at].get(metric),
            "gap": _gap(metric, claimed, difference, row, look_at),
        }

    return show


def _gap(metric: Metric, claimed: int | None, difference: int | None, row: Row, look_at: list[int]) -> Any:
    if difference is None or difference <= 0:
        return None
    gap = Look(*(row[place] for place in look_at)).gap(metric.value, claimed, difference)
    return gap and asdict(gap)


class OverrideSerializer(Shown):
    """What somebody decided in a verdict's place: it holds for sums, trust and alerts, and the verdict stays on
    record. Affiliates' answers are without its money."""

    status = serializers.ChoiceField([each.value for each in DECIDABLE])
    discrepancy_level = serializers.ChoiceField([each.value for each in Level], allow_null=True)
    reason = serializers.ChoiceField(REASON_CODES)
    explanation = serializers.CharField()
    note = serializers.CharField(allow_null=True, help_text="What its decider wrote; null: erased.")
    trust_effect = serializers.ChoiceField([each.value for each in TrustEffect])
    decided_at = serializers.DateTimeField()
    money_at_risk = serializers.DecimalField(24, 2, allow_null=True, required=False)


def _decided(columns: Columns) -> Show:
    """What the row's `decision` says, if there is one."""
    decision, names = columns.place("decision"), list(OverrideSerializer().fields)

    def show(row: Row, context: Context) -> dict[str, Any] | None:
        if row[decision] is None:
            return None
        shown = {name: row[decision][name] for name in names}
        return shown | {"decided_at": datetime.fromisoformat(shown["decided_at"])}

    return show


class VerdictSerializer(Shown):
    """One claim held against one snapshot. Affiliates' answers are without its money and the version of the rules.

    `own_advertisers` in the context: those whose money and rules the caller may see; None: all.
    """

    id = serializers.UUIDField()
    status = serializers.ChoiceField([each.value for each in Status])
    discrepancy_level = serializers.ChoiceField([each.value for each in Level], allow_null=True)
    counted = serializers.BooleanField(help_text="Whether this is the claim's last word.")
    explanation = serializers.CharField()
    metrics = MetricsSerializer(source="*")
    confidence = serializers.DecimalField(4, 3, help_text="The share of the claimed figures that has a truth.")
    trust_effect = serializers.ChoiceField([each.value for each in TrustEffect])
    override = OverrideSerializer(allow_null=True, help_text="What holds in its place.")
    next_look_at = serializers.DateTimeField(allow_null=True, help_text="When the claim is looked at again.")
    fetched_at = serializers.DateTimeField(source="platform_report.fetched_at")
    processed_at = serializers.DateTimeField()
    ruleset_version = serializers.IntegerField(source="ruleset.version", required=False)
    money_at_risk = serializers.DecimalField(24, 2, allow_null=True, required=False)
    currency = serializers.CharField(required=False)

    @classmethod
    def derived(cls, columns: Columns) -> dict[str, Show]:
        next_look_at = columns.place("next_look_at")
        return {"counted": lambda row, context: row[next_look_at] is None, "override": _decided(columns)}

    @classmethod
    def plan(cls, columns: Columns) -> Show:
        show, advertiser = super().plan(columns), columns.place("post.campaign.advertiser_id")

        def show_to(row: Row, context: Context) -> dict[str, Any]:
            shown: dict[str, Any] = show(row, context)
            own = context["own_advertisers"]
            if own is not None and row[advertiser] not in own:
                for name in ADVERTISER_SIDE_ONLY:
                    del shown[name]
                if shown["override"]:
                    del shown["override"]["money_at_risk"]
            return shown

        return show_to


class ResultSerializer(VerdictSerializer):
    """A verdict with all that it was drawn from."""

    post = PostInShortSerializer()
    campaign = CampaignInShortSerializer(source="post.campaign")
    affiliate = NamedSerializer(source="post.affiliate")
    claim = ClaimSerializer(source="affiliate_report")
    truth = TruthSerializer(source="platform_report")


class FindingSerializer(Shown):
    """Something odd that a data-quality rule noticed about a claim. It accuses nobody."""

    id = serializers.UUIDField()
    rule = serializers.ChoiceField([*RULES])
    severity = serializers.ChoiceField([level.value for level in Level])
    sentence = serializers.CharField()
    error = serializers.CharField(help_text="Empty, or why the rule could not be asked.")
    created_at = serializers.DateTimeField()
    claim = serializers.UUIDField(source="affiliate_report_id")
    result = serializers.UUIDField(source="verdict_id", help_text="The verdict at which it was noticed.")
    post = PostInShortSerializer()
    campaign = CampaignInShortSerializer(source="post.campaign")
    affiliate = NamedSerializer(source="post.affiliate")


class LinksSerializer(Shown):
    """Where to look."""

    self = serializers.URLField()
    metrics = serializers.URLField()

    @classmethod
    def derived(cls, columns: Columns) -> dict[str, Show]:
        post = columns.place("id")
        return {
            "self": lambda row, context: _address(row[post], context),
            "metrics": lambda row, context: f"{_address(row[post], context)}/metrics",
        }

    def to_representation(self, post: Post) -> dict[str, str]:
        own = _address(post.pk, self.context)
        return {"self": own, "metrics": f"{own}/metrics"}


def _address(post: UUID, context: Context) -> str:
    """Where a post is looked up."""
    address: str = context["request"].build_absolute_uri(f"{_posts_path(get_script_prefix())}{post}")
    return address


@lru_cache(maxsize=8)
def _posts_path(prefix: str) -> str:
    """Beneath which all posts' addresses are, where the site is served beneath `prefix`."""
    return reverse("api-submission", args=[NO_POST]).removesuffix(str(NO_POST))


class AcceptedSerializer(Shown):
    """What a submission came to. Its verdict appears under `links.self`."""

    id = serializers.UUIDField(source="post.pk")
    url = serializers.CharField(source="post.url")
    platform = serializers.CharField(source="post.platform.slug")
    outcome = serializers.ChoiceField([each.value for each in Outcome])
    claim = ClaimSerializer()
    links = LinksSerializer(source="post")


class ItemSerializer(Shown):
    """What one of many claims came to: what `POST /submissions` would have answered, the one or the other."""

    status = serializers.IntegerField(help_text="202: taken. 200: it repeats the latest claim. Else: refused.")
    submission = AcceptedSerializer(allow_null=True)
    problem = ProblemSerializer(allow_null=True)


class ItemsSerializer(Shown):
    """What each claim came to, in the order in which they were sent."""

    results = ItemSerializer(many=True)


POST_STATES = ["pending", "provisional", "final", "failed", "withdrawn", "merged", "displaced"]


class StandingSerializer(PostInShortSerializer):
    """How a post stands: its current claim, the verdict on it, and the newest truth.

    `state`: `pending` (no verdict yet), `provisional` (a verdict, and another look at `next_look_at`), `final`,
    `failed` (no look is to come: staff see it and may retry), `withdrawn` (its claim was, before anybody looked),
    `merged` (it is the same as another of one's posts, and goes on as that one) or `displaced` (somebody else's claim
    to the same content stands).
    """

    campaign = CampaignInShortSerializer()
    affiliate = NamedSerializer()
    title = serializers.CharField()
    description = serializers.CharField()
    submitted_at = serializers.DateTimeField(source="created_at")
    posted_at = serializers.DateTimeField(allow_null=True, help_text="When the platform says it was published.")
    is_identified = serializers.BooleanField(help_text="False while its short link has not been opened yet.")
    ownership = serializers.ChoiceField(
        Post.Ownership.choices, help_text="Whether its author is a proven account of the affiliate."
    )
    tracking_link = serializers.CharField(
        source="tracking_link.code", allow_null=True, help_text="The code of the link whose clicks and sales it has."
    )
    merged_into = serializers.UUIDField(source="merged_into_id", allow_null=True)
    state = serializers.ChoiceField(POST_STATES, read_only=True)
    next_look_at = serializers.DateTimeField(allow_null=True)
    claim = ClaimSerializer(source="state.current_claim")
    verdict = VerdictSerializer(source="state.current_verdict", allow_null=True)
    truth = TruthSerializer(source="state.latest_snapshot", allow_null=True)
    as_of = serializers.DateTimeField(
        source="state.last_fetched_at", allow_null=True, help_text="When the platform was last asked."
    )
    links = LinksSerializer(source="*")

    @classmethod
    def derived(cls, columns: Columns) -> dict[str, Show]:
        merged_into, displaced_at = columns.place("merged_into_id"), columns.place("displaced_at")
        verdict, next_look_at = columns.place("state.current_verdict"), columns.place("next_look_at")
        verdict_until, word = columns.place("state.current_verdict.next_look_at"), columns.place("state.verdict")
        same = {"post": "", "affiliate_report": "state.current_claim."}
        show_verdict = VerdictSerializer.plan(columns.within("state.current_verdict", same))

        def state(row: Row, context: Context) -> str:
            if row[merged_into] or row[displaced_at]:
                return "merged" if row[merged_into] else "displaced"
            if row[verdict] and row[verdict_until] is None:
                return "final"
            if row[word] == "withdrawn":
                return "withdrawn"
            if row[next_look_at] is None:
                return "failed"
            return "provisional" if row[verdict] else "pending"

        return {
            "state": state,
            "verdict": lambda row, context: show_verdict(row, context) if row[verdict] else None,
        }


class HistoricClaimSerializer(ClaimSerializer):
    """A claim with what became of it: the verdicts on it, newest first."""

    status = serializers.ChoiceField(CLAIM_STATUSES, read_only=True)
    withdrawn_at = serializers.DateTimeField(
        source="withdrawal.created_at",
        allow_null=True,
        help_text="With a verdict beside it, that one counts all the same.",
    )
    verdicts = VerdictSerializer(many=True)

    @classmethod
    def derived(cls, columns: Columns) -> dict[str, Show]:
        claim, is_unseen = columns.place("id"), columns.place("withdrawal.is_unseen")

        def status(row: Row, context: Context) -> str:
            if row[is_unseen]:
                return "WITHDRAWN"
            verdicts = context["verdicts"].get(row[claim])
            return (verdicts[0]["override"] or verdicts[0])["status"] if verdicts else "PENDING"

        return {"status": status}


class HistorySerializer(HistoricClaimSerializer):
    """A claim of somebody's history, with the post it is about."""

    post = PostInShortSerializer()
    campaign = CampaignInShortSerializer(source="post.campaign")
    affiliate = NamedSerializer(source="post.affiliate")


class EvolutionSerializer(Shown):
    """How the claims for a post and its truth went on, both newest first.

    `truncated`: there are more than are shown; `/submissions/history?post=` has all the claims.
    """

    post = PostInShortSerializer()
    claims = HistoricClaimSerializer(many=True)
    snapshots = TruthSerializer(many=True)
    truncated = serializers.BooleanField()


class LooksSerializer(Shown):
    """The looks of a run."""

    total = serializers.IntegerField()
    done = serializers.IntegerField()
    dead = serializers.IntegerField(help_text="Failed eight times; staff may retry them or give them up.")
    discarded = serializers.IntegerField(help_text="Taken back by cancelling, or given up by staff.")
    pending = serializers.IntegerField()

    def to_representation(self, run: Run) -> dict[str, Any]:
        return super().to_representation(self.context["progress"][run.pk])


RUN_STATES = ["running", "finished", "cancelled"]


class RunSerializer(Shown):
    """A set of looks that somebody asked for."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    requested_by = NamedSerializer(allow_null=True)
    scope = serializers.DictField(help_text="What was named when it was asked for.")
    state = serializers.SerializerMethodField()
    looks = LooksSerializer(source="*")

    @extend_schema_field(serializers.ChoiceField(RUN_STATES))
    def get_state(self, run: Run) -> str:
        if run.cancelled_at:
            return "cancelled"
        return "running" if self.context["progress"][run.pk].pending else "finished"


class RunReportSerializer(Shown):
    """What the looks of a run that are done came to."""

    verdicts = serializers.DictField(child=serializers.IntegerField(), help_text="How many, by status.")
    changed = serializers.IntegerField(help_text="Posts whose figures or availability are others than before.")


class RunWithReportSerializer(RunSerializer):
    """A set of looks that somebody asked for, and what they came to."""

    report = serializers.SerializerMethodField()

    @extend_schema_field(RunReportSerializer)
    def get_report(self, run: Run) -> Any:
        return RunReportSerializer(self.context["report"]).data


# --- Forecast


class NeedSerializer(Shown):
    """What 24 hours need, the first of them being the next."""

    looks = serializers.IntegerField()
    calls = serializers.IntegerField()


class PlatformForecastSerializer(Shown):
    """Whether what is planned on a platform fits into what its call budget gives to all campaigns."""

    platform = serializers.CharField(source="assigned.platform.slug")
    recheck_plan = serializers.CharField(source="plan", help_text="The one that holds.")
    fits = serializers.BooleanField(source="forecast.fits")
    sentence = serializers.CharField()
    calls_a_day = serializers.IntegerField(source="forecast.calls_a_day")
    days = NeedSerializer(source="forecast.days", many=True)


class ForecastSerializer(Shown):
    """What the looks that a campaign plans for the coming week need."""

    campaign = serializers.UUIDField()
    platforms = PlatformForecastSerializer(many=True)


# --- Clawbacks


class ClawbackSerializer(Shown):
    """What an affiliate over-claims in a campaign now, and what is suggested about it. Money is in the campaign's
    currency, at its rates; null: nobody knows, as without a rate."""

    campaign = CampaignInShortSerializer()
    affiliate = NamedSerializer()
    currency = serializers.CharField(source="account.currency")
    worth_claimed = serializers.DecimalField(
        30, 2, source="account.worth_claimed", allow_null=True, help_text="Of what is claimed and judged."
    )
    over_claimed = serializers.DecimalField(30, 2, source="account.over_claimed", allow_null=True)
    share = serializers.DecimalField(
        5, 4, source="account.share", allow_null=True, help_text="Of the worth that is over-claimed, from 0 to 1."
    )
    posts = serializers.IntegerField(source="account.posts")
    high = serializers.IntegerField(source="account.high", help_text="Of them by their current verdict.")
    medium = serializers.IntegerField(source="account.medium")
    invalid = serializers.IntegerField(source="account.invalid")
    trust_score = serializers.DecimalField(
        5, 4, source="account.trust_score", allow_null=True, help_text="Of all campaigns; null before anything counts."
    )
    outcomes = serializers.IntegerField(source="account.outcomes", help_text="So many the trust score rests on.")
    action = serializers.ChoiceField([each.value for each in Action], source="suggestion.action")
    sentence = serializers.CharField(source="suggestion.sentence")
    results = serializers.ListField(
        child=serializers.UUIDField(), help_text="The verdicts behind it, the costliest first; 100 at most."
    )
    truncated = serializers.BooleanField(help_text="Whether there are more.")


# --- Receipts


class BlockSerializer(Shown):
    """The block of the ledger that a receipt is sealed in, and its place there, from 1."""

    number = serializers.IntegerField()
    sha256 = serializers.CharField()
    position = serializers.IntegerField()


class ReceiptSerializer(Shown):
    """A verdict's receipt: `receipt` as JSON, and as the text that its SHA-256 is taken of."""

    receipt = serializers.DictField()
    canonical = serializers.CharField()
    sha256 = serializers.CharField()
    block = BlockSerializer(allow_null=True)


# --- Performance


class IntervalSerializer(Shown):
    """From where to where the share of accurate claims is likely to be, in 95 of 100 cases."""

    low = serializers.DecimalField(5, 4)
    high = serializers.DecimalField(5, 4)


class OutcomesField(serializers.DictField):
    """How many post-days came to each kind of outcome."""

    child = serializers.IntegerField()

    def to_representation(self, value: Counts) -> dict[str, int]:
        return {kind.value: value.get(kind, 0) for kind in KINDS}


class TrustFiguresSerializer(Shown):
    """A score with its counts: each post counts once a day. By `accuracy` it is the share of accurate claims, and 1
    where nothing counts yet; then there is no interval."""

    trust_score = serializers.DecimalField(5, 4, source="score")
    total_submissions = serializers.IntegerField(source="total")
    accurate_submissions = serializers.IntegerField(source="accurate")
    outcomes = OutcomesField(source="counts")
    interval = IntervalSerializer(allow_null=True)


class TrustSerializer(TrustFiguresSerializer):
    """The same with the policy it was made by, what it says in words, and what would raise it."""

    policy = serializers.ChoiceField([each.value for each in PolicyName], source="policy.name")
    summary = serializers.CharField()
    to_raise = serializers.CharField()


class TrustDaySerializer(Shown):
    """The outcomes of the claims of a day, and the score with all until then."""

    day = serializers.DateField()
    trust_score = serializers.DecimalField(5, 4, source="score")
    outcomes = OutcomesField(source="counts")


class CountsSerializer(Shown):
    """Claims, those still open (no last word yet), and the others by their last word."""

    claims = serializers.IntegerField()
    open = serializers.IntegerField()
    by_status = serializers.DictField(child=serializers.IntegerField())
    by_level = serializers.DictField(child=serializers.IntegerField())


class PlatformCountsSerializer(CountsSerializer):
    """The claims on one platform, and the trust that they come to."""

    platform = serializers.CharField()
    trust = TrustFiguresSerializer()


class TrustChangeSerializer(Shown):
    """A verdict that counts for trust, and why."""

    at = serializers.DateTimeField(source="created_at")
    trust_effect = serializers.ChoiceField([each.value for each in TrustEffect], source="effect")
    outcome = serializers.ChoiceField([each.value for each in KINDS], source="kind")
    post = serializers.UUIDField(source="post_id")
    result = serializers.UUIDField(source="verdict_id")
    explanation = serializers.CharField()


class PerformanceSerializer(Shown):
    """How far an affiliate's claims can be relied on. Advertisers' people see what their own campaigns' claims say."""

    affiliate = NamedSerializer()
    trust = TrustSerializer(source="reliance.trust")
    overall_score = serializers.DecimalField(
        5,
        4,
        source="reliance.overall_score",
        allow_null=True,
        help_text="Of all campaigns; null before anything counts.",
    )
    claims = CountsSerializer()
    platforms = PlatformCountsSerializer(many=True)
    latest_change = TrustChangeSerializer(allow_null=True)
    reasons = TrustChangeSerializer(
        many=True, source="reliance.reasons", help_text="The latest 20 that count, the newest first."
    )
    history = TrustDaySerializer(
        many=True, source="reliance.history", help_text="Of the last 90 days those that count, the oldest first."
    )

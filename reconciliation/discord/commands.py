"""What each command does and answers.

Each gets the linked affiliate, the interaction and its row, which it fills in with what the answer is about. A refusal
is a DomainError, whose sentence is the answer. Discord serves the live world: it knows nothing of test campaigns.
"""

from collections.abc import Sequence
from itertools import islice
from uuid import UUID

from django.db.models import Q

from affiliates import discord
from affiliates.models import Affiliate
from campaigns.models import Campaign, Post
from campaigns.querysets import CampaignQuerySet, PostQuerySet
from config import clock
from config.locks import take_turn
from platforms.links import NeedsNetwork, NotAPost, PostLink, identify
from platforms.models import Platform
from reconciliation.comparison import Figures
from reconciliation.discord import payload, words
from reconciliation.discord.payload import Interaction
from reconciliation.discord.words import Answer
from reconciliation.errors import ClaimRefusedError
from reconciliation.models import AffiliateReport, DiscordInteraction, PostState, ReconciliationLog, ReportEvidence
from reconciliation.querysets import with_standing
from reconciliation.services import submission
from reconciliation.services.admission import Outcome

SUBMIT_AS_POST = "Submit as post"
MODAL_PREFIX = "submit:"
FIGURES = ("views", "clicks", "conversions")
MAX_TYPED_CHARS = 100
STATUS_POSTS = 5
HISTORY_CLAIMS = 12
_NOTHING_YET = "You have submitted nothing yet: /submit is where to begin."
_ONLY_TEST = "Your campaigns are test campaigns, which Discord does not serve: claim there by the API, with a test key."


def link(interaction: Interaction) -> Answer:
    """Bind the Discord user to the affiliate whose code they show."""
    if not interaction.user_id:
        raise ClaimRefusedError("Discord did not say who you are.")
    affiliate, replaced = discord.link(discord_user_id=interaction.user_id, code=interaction.text("code"))
    instead = " The Discord user who was linked before no longer is." if replaced else ""
    return words.message(f"You are linked as {words.plain(affiliate.name)}.{instead}")


def submit(affiliate: Affiliate, interaction: Interaction, row: DiscordInteraction) -> Answer:
    """Claim figures for the post behind a link."""
    return _submitted(affiliate, interaction, row, url=interaction.text("url"))


def submit_as_post(affiliate: Affiliate, interaction: Interaction, row: DiscordInteraction) -> Answer:
    """Ask for the campaign and the figures of the post that a message links to."""
    if not interaction.target_id:
        raise ClaimRefusedError("Discord did not say which message this is.")
    row.message_id = interaction.target_id
    earlier = _claimed_by_message(affiliate, row)
    if earlier:
        return _submitted_before(earlier)
    found = payload.link_in(interaction.message)
    row.url = found.canonical_url if isinstance(found, PostLink) else found.url
    runs_there = Q(campaign_platforms__platform__slug=found.platform, campaign_platforms__closed_at=None)
    campaigns = _campaigns(affiliate, Campaign.objects.filter(runs_there))
    if not campaigns:
        raise _no_campaign(affiliate, f"No campaign that you may claim for runs on {_platform(found.platform).name}.")
    return words.claim_modal(
        f"{MODAL_PREFIX}{row.pk}", _named(campaigns[: words.MAX_CHOICES]), more=len(campaigns) > words.MAX_CHOICES
    )


def submit_modal(affiliate: Affiliate, interaction: Interaction, row: DiscordInteraction) -> Answer:
    """Claim what was filled into the modal, for the message that it was opened on. A message makes one claim."""
    asked = DiscordInteraction.objects.filter(pk=interaction.custom_id.removeprefix(MODAL_PREFIX), affiliate=affiliate)
    opened_on = asked.filter(kind=DiscordInteraction.Kind.MESSAGE).exclude(url="").first()
    if opened_on is None:
        raise ClaimRefusedError("This form belongs to no message of yours: open it anew from the message.")
    row.message_id = opened_on.message_id
    _lock_message(affiliate, row)
    earlier = _claimed_by_message(affiliate, row)
    if earlier:
        return _submitted_before(earlier)
    return _submitted(affiliate, interaction, row, url=opened_on.url)


def status(affiliate: Affiliate, interaction: Interaction, row: DiscordInteraction) -> Answer:
    """How one post stands, or the latest few."""
    named = interaction.text("post")
    posts = with_standing(_own_posts(affiliate))
    if not named:
        latest = [_standing(post) for post in posts[:STATUS_POSTS]]
        return words.message(*(latest or [_NOTHING_YET]))
    post = posts.filter(_meaning(named)).first()
    if post is None:
        raise ClaimRefusedError("You have submitted no such post.", field="post")
    return words.message(_standing(post))


def history(affiliate: Affiliate, interaction: Interaction, row: DiscordInteraction) -> Answer:
    """The latest claims, each in a line."""
    claims = AffiliateReport.objects.filter(post__in=_own_posts(affiliate).order_by()).with_verdicts()
    latest = [_line(claim) for claim in claims.order_by("-claimed_at", "-id")[:HISTORY_CLAIMS]]
    return words.message(*(latest or [_NOTHING_YET]))


def complete(affiliate: Affiliate, interaction: Interaction) -> Sequence[tuple[str, str]]:
    """What the option that is being typed may become: names, with their values."""
    typed = interaction.text(interaction.focused)[:MAX_TYPED_CHARS]
    if interaction.focused == "campaign":
        named = Q(campaign_name__icontains=typed) | Q(name__icontains=typed) | Q(brand__name__icontains=typed)
        return _named(_campaigns(affiliate, Campaign.objects.filter(named)))
    if interaction.focused == "post":
        named = Q(text__title__icontains=typed) | Q(url__icontains=typed) | Q(campaign__campaign_name__icontains=typed)
        posts = _own_posts(affiliate).filter(named).select_related("platform", "campaign", "text")
        return [(_post_name(post), str(post.pk)) for post in posts[: words.MAX_CHOICES]]
    return []


# --- Submitting


def _submitted(affiliate: Affiliate, interaction: Interaction, row: DiscordInteraction, *, url: str) -> Answer:
    found = identify(url)
    if isinstance(found, NotAPost):
        raise ClaimRefusedError(found.reason, field="url")
    claimed = Figures(**{name: payload.count(name, interaction.given(name)) for name in FIGURES})
    submitted = submission.submit(
        affiliate=affiliate,
        campaign=_campaign(affiliate, interaction.text("campaign")),
        platform=_platform(found.platform),
        url=url,
        figures=claimed,
        method=AffiliateReport.Method.DISCORD,
        goes_on=True,
    )
    row.post, row.claim = submitted.post, submitted.claim
    if submitted.outcome != Outcome.UNCHANGED:
        evidence = {"discord_interaction_id": row.pk}
        if row.message_id:
            evidence["discord_message_id"] = row.message_id
        ReportEvidence.objects.create(affiliate_report=submitted.claim, evidence_data=evidence)
    return _taken(submitted, claimed)


def _taken(submitted: submission.Submission, claimed: Figures) -> Answer:
    post, claim = submitted.post, submitted.claim
    if submitted.outcome != Outcome.UNCHANGED:
        taken = "Taken" if submitted.outcome == Outcome.NEW_POST else "New figures taken"
        return words.message(f"{taken}: {words.figures(claimed)}.", about(post), words.VERDICT_FOLLOWS)
    # A verdict that is being settled comes either before this, and is told here, or after it, and is told afterwards.
    PostState.objects.select_for_update().get(post=post)
    return words.message(
        f"You have claimed just that already, {words.figures(claimed)}: nothing was added.",
        about(post),
        _explanation(claim) or words.VERDICT_FOLLOWS,
    )


def about(post: Post) -> str:
    """Which post it is: its campaign and its address."""
    return f"{words.plain(post.campaign.campaign_name)}, {post.platform.name}: {words.address(post.url)}"


def _explanation(claim: AffiliateReport) -> str:
    latest: ReconciliationLog | None = claim.verdicts.order_by("-processed_at", "-id").first()
    return latest.explanation if latest else ""


def _lock_message(affiliate: Affiliate, row: DiscordInteraction) -> None:
    """One submission at a time of one message by one affiliate, until the transaction ends."""
    take_turn(f"discord {affiliate.pk} {row.message_id}")


def _claimed_by_message(affiliate: Affiliate, row: DiscordInteraction) -> AffiliateReport | None:
    """What the affiliate has claimed by this message."""
    claimed = DiscordInteraction.objects.filter(message_id=row.message_id, affiliate=affiliate, claim__isnull=False)
    found = claimed.select_related("claim").first()
    return found.claim if found else None


def _submitted_before(claim: AffiliateReport) -> Answer:
    post = with_standing(Post.objects.filter(pk=claim.post_id)).get()
    return words.message("This message is submitted already. For new figures use /submit.", _standing(post))


# --- What is meant


def _campaign(affiliate: Affiliate, named: str) -> Campaign:
    """The campaign that was chosen, or whose whole name was typed. Raises ClaimRefusedError."""
    pk = _as_id(named)
    if pk:
        visible = Campaign.objects.visible_to(affiliate.user).select_related("advertiser")
        found: list[Campaign] = list(visible.filter(pk=pk, livemode=True))
    else:
        whole = Q(campaign_name__iexact=named) | Q(name__iexact=named)
        found = _campaigns(affiliate, Campaign.objects.filter(whole))
    if len(found) > 1:
        raise ClaimRefusedError("Several campaigns are called so: choose one of the list.", field="campaign")
    if not found:
        raise _no_campaign(affiliate, "There is no such campaign for you: choose one of the list.")
    return found[0]


def _campaigns(affiliate: Affiliate, among: CampaignQuerySet) -> list[Campaign]:
    """Those the affiliate may claim for now, by name; one more than fits, to know of more."""
    open_ones = among.open_to(affiliate, clock.now().date()).filter(livemode=True)
    ordered = open_ones.select_related("advertiser", "brand").order_by("campaign_name", "id").distinct()
    few_at_a_time = ordered.iterator(chunk_size=2 * words.MAX_CHOICES)
    taking = (campaign for campaign in few_at_a_time if campaign.takes_claims_on(campaign.advertiser.today))
    return list(islice(taking, words.MAX_CHOICES + 1))


def _no_campaign(affiliate: Affiliate, reason: str) -> ClaimRefusedError:
    """The refusal; whoever may claim for test campaigns alone is told that these are not for here."""
    theirs = Campaign.objects.open_to(affiliate, clock.now().date())
    only_test = set(theirs.values_list("livemode", flat=True).distinct()) == {False}
    return ClaimRefusedError(_ONLY_TEST if only_test else reason, field="campaign")


def _named(campaigns: Sequence[Campaign]) -> list[tuple[str, str]]:
    return [(f"{each.campaign_name} · {each.brand.name}", str(each.pk)) for each in campaigns]


def _platform(slug: str) -> Platform:
    found = Platform.objects.filter(slug=slug, is_active=True).first()
    if found is None:
        raise ClaimRefusedError("Posts of this platform are not taken at the moment.", field="url")
    return found


def _own_posts(affiliate: Affiliate) -> PostQuerySet:
    posts: PostQuerySet = Post.objects.filter(affiliate=affiliate, campaign__livemode=True)
    return posts.order_by("-created_at", "-id")


def _meaning(named: str) -> Q:
    """The posts that a chosen id or a pasted link can mean."""
    pk = _as_id(named)
    if pk:
        return Q(pk=pk)
    found = identify(named)
    if isinstance(found, NotAPost):
        raise ClaimRefusedError(f"{found.reason} Choose a post of the list, or paste its link.", field="post")
    if isinstance(found, NeedsNetwork):
        return Q(platform__slug=found.platform, short_url=found.url)
    return Q(platform__slug=found.platform, external_id=found.external_id)


def _as_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


# --- How it is said


def _standing(post: Post) -> str:
    """A post in two lines: what was claimed, and the verdict in the words of the API and the pages."""
    return f"{about(post)}: {_claimed(post.state.current_claim)}\n{_verdict(post)}"


def _claimed(claim: AffiliateReport) -> str:
    return words.figures(Figures(claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions))


def _verdict(post: Post) -> str:
    if post.merged_into_id:
        return "It is the same as another post of yours, and goes on as that one."
    if post.displaced_at:
        return "Somebody else's claim to this post stands."
    if post.state.outcome:
        explanation: str = post.state.outcome.explanation
        return explanation
    if post.state.claim_that_stands is None:
        return "You withdrew it before it was looked at."
    if post.next_look_at is None:  # type: ignore[attr-defined]  # annotated
        return "It could not be looked at; our staff see it."
    return "No verdict yet."


def _line(claim: AffiliateReport) -> str:
    verdict = next((each.outcome for each in claim.latest_verdicts), None)
    level = f", {verdict.discrepancy_level.lower()}" if verdict and verdict.discrepancy_level else ""
    word = verdict.status.replace("_", " ").lower() + level if verdict else "pending"
    return f"{claim.claimed_at:%d %b %H:%M} UTC, {about(claim.post)}: {_claimed(claim)}: {word}"


def _post_name(post: Post) -> str:
    text = getattr(post, "text", None)
    return f"{(text and text.title) or post.url.removeprefix('https://')} · {post.campaign.campaign_name}"

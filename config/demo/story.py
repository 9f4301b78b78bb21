"""What happens in the demo's world: who claims what for which post, and when.

A pure function of the sandbox's world, the story's first and last moment and a seed. People come in sessions, one about
every six hours: their claims arrive in the minutes before a session's end, where the platforms are then asked.

After the last moment nothing falls due for a while: a claim is left out if one of its next looks would lie there.

Some platforms show views to the account's owner alone. Most people connect such an account before they first publish
there; some never do, and one takes back at the end what was allowed.

What comes through tracking links stands in `visits`.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain, islice
from random import Random

from config.demo import visits
from config.demo.cast import ADVERTISERS, AFFILIATES, OWNERS_ONLY, AffiliatePlan, CampaignPlan, Character
from config.demo.visits import Place, PlannedLink
from platforms.metrics import VIEWS_LAG, LagBasis
from platforms.sandbox import words
from platforms.sandbox.world import SPAN, Presence, Series, World, WorldPost
from reconciliation.comparison import ACCESS_WITHIN_DAYS, MISSING_LOOK_AFTER_H, Figures

CAMPAIGNS = tuple(campaign for advertiser in ADVERTISERS for campaign in advertiser.campaigns)
SESSION_EVERY = timedelta(hours=6)
SITTING_EVERY = 16
"""Sessions from one to the next in which somebody reports from their own accounts: all they have, every fourth day."""
QUIET_AFTER = timedelta(minutes=25)
"""Nothing falls due for so long after the story's end: the time it takes to be told, and the demo's first quarter."""
YOUNGEST = timedelta(hours=6)
"""A post published later than so long before the end is not in the story."""
CLAIM_WINDOW_DAYS = 14
SHARES = {"youtube": 0.28, "tiktok": 0.2, "instagram": 0.18, "x": 0.16, "reddit": 0.1, "facebook": 0.08}
CONTESTED_SHARE = 0.008
SHORT_LINK_SHARE = 0.1


class Move(StrEnum):
    """What happens to a campaign."""

    CREATE = "create"
    ACTIVATE = "activate"
    PAUSE = "pause"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class PlannedClaim:
    """A claim. `url` is what it names its post by: its address, or what the share button gives."""

    at: datetime
    affiliate: AffiliatePlan
    campaign: CampaignPlan
    post: WorldPost
    url: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Account:
    """Something happens to an affiliate's own account on a platform at a moment: it is connected, or given back."""

    at: datetime
    affiliate: AffiliatePlan
    platform: str

    @property
    def handle(self) -> str:
        return words.handle(self.platform, self.affiliate.author)


@dataclass(frozen=True, slots=True)
class Session:
    """Claims, in order of time, and the moment at which they are looked at."""

    at: datetime
    claims: Sequence[PlannedClaim]


@dataclass(frozen=True, slots=True)
class Story:
    """`connected` has the accounts that are connected, in order of time. `withdrawn` is the one whose owner takes back
    what they allowed before the last claim from it is looked at; None where nobody's lies so. `links` has the tracking
    links, in order of their first claims.
    """

    start: datetime
    end: datetime
    sessions: Sequence[Session]
    moves: Sequence[tuple[datetime, Move, CampaignPlan]]
    connected: Sequence[Account]
    withdrawn: Account | None
    links: Sequence[PlannedLink]

    @property
    def posts(self) -> int:
        return len({claim.post.external_id for session in self.sessions for claim in session.claims})


def tell(world: World, *, start: datetime, end: datetime, posts: int, seed: int) -> Story:
    """The story of about so many posts that are published between two moments.

    Raises ValueError where the world has no posts of these days.
    """
    first, last = max(start, world.epoch), min(end - YOUNGEST, world.epoch + SPAN)
    if first >= last:
        raise ValueError(f"the sandbox's world begins on {world.epoch:%d %b %Y}: it has no posts of these days")
    telling = _Telling(world, first, last, end, seed)
    sessions = telling.sessions(posts)
    links = telling.links(sessions)
    sessions = _with_what_was_tracked(sessions, links)
    return Story(first, end, sessions, _moves(end), telling.connected(sessions), _withdrawn(sessions), links)


def _moves(end: datetime) -> list[tuple[datetime, Move, CampaignPlan]]:
    """Campaigns are made ten days before they start, and what lies after the story's end does not happen."""
    moves = []
    for campaign in CAMPAIGNS:
        moves.append((min(day(end, campaign.starts_d - 10), day(end, -4)), Move.CREATE, campaign))
        moves.append((day(end, campaign.starts_d), Move.ACTIVATE, campaign))
        if campaign.paused_d is not None:
            moves.append((day(end, campaign.paused_d), Move.PAUSE, campaign))
        moves.append((day(end, campaign.ends_d + 1), Move.COMPLETE, campaign))
    return sorted((move for move in moves if move[0] <= end), key=lambda move: move[0])


def day(end: datetime, offset_d: int) -> datetime:
    """Midnight, UTC, of the day so many days after the one a story ends on."""
    return end.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=offset_d)


class _Telling:
    """One telling: the moments of its sessions, and what is claimed in each."""

    def __init__(self, world: World, first: datetime, last: datetime, end: datetime, seed: int) -> None:
        self._world, self._first, self._last, self._end, self._seed = world, first, last, end, seed
        rng = self._rng("sessions")
        count = int((end - first) / SESSION_EVERY)
        moments = (first + SESSION_EVERY * k + timedelta(minutes=rng.randrange(300)) for k in range(count + 1))
        latest = end - timedelta(minutes=2)
        self._moments = [*(moment for moment in moments if moment < latest), latest]
        self._activity = {plan.name: self._rng(plan.name).uniform(0.25, 1) for plan in AFFILIATES}

    def sessions(self, posts: int) -> list[Session]:
        claims: dict[datetime, list[PlannedClaim]] = defaultdict(list)
        for platform, share in SHARES.items():
            for post, affiliate, campaign in islice(self._posts(platform), round(posts * share)):
                for session, claim in self._claims(post, affiliate, campaign):
                    claims[session].append(claim)
        self._contest(claims)
        return [Session(at, sorted(claims[at], key=lambda claim: claim.at)) for at in self._moments]

    def connected(self, sessions: Sequence[Session]) -> list[Account]:
        """Each account that needs it is connected within two days before its first post of the story."""
        first_at: dict[tuple[str, str], datetime] = {}
        for claim in _owned(sessions):
            key = claim.affiliate.name, claim.post.platform
            first_at[key] = min(first_at.get(key, claim.at), claim.post.published_at)
        plans = {plan.name: plan for plan in AFFILIATES}
        accounts = [
            Account(at - timedelta(hours=self._rng("connects", name, slug).uniform(1, 48)), plans[name], slug)
            for (name, slug), at in first_at.items()
        ]
        return sorted(accounts, key=lambda account: (account.at, account.handle))

    def links(self, sessions: Sequence[Session]) -> list[PlannedLink]:
        """The tracking links that some get before they publish."""
        places: dict[tuple[str, str, str], Place] = {}
        for claim in chain.from_iterable(session.claims for session in sessions):
            if claim.post.author == claim.affiliate.author:
                key = claim.affiliate.name, claim.campaign.title, claim.post.platform
                known = places.get(key) or Place(claim.affiliate, claim.campaign, claim.post, claim.at, claim.at)
                places[key] = replace(known, last_at=claim.at)
        return visits.links(places.values(), end=self._end, rng=self._rng("links"))

    def _rng(self, *what: object) -> Random:
        return Random(":".join(map(str, (self._seed, *what))))

    def _posts(self, platform: str) -> Iterator[tuple[WorldPost, AffiliatePlan, CampaignPlan]]:
        """The posts of our affiliates' handles on a platform, each for a campaign that it suits."""
        owners = {words.handle(platform, plan.author): plan for plan in AFFILIATES if plan.posts_on(platform)}
        for post in self._listed(platform):
            owner = owners.get(post.author_handle)
            if owner is None or not self._first <= post.published_at <= self._last:
                continue
            rng = self._rng("choice", post.external_id)
            suited = [campaign for campaign in CAMPAIGNS if self._suits(campaign, post, owner)]
            if suited and rng.random() < self._activity[owner.name]:
                yield post, owner, rng.choice(suited)

    def _listed(self, platform: str) -> Iterator[WorldPost]:
        """The posts that may be in the story: everybody's, or our affiliates' by turns where they can be listed."""
        if platform not in OWNERS_ONLY:
            return self._world.posts(platform, Series.CURRENT)
        each = (self._world.posts_of(platform, plan.author, Series.CURRENT) for plan in AFFILIATES)
        return chain.from_iterable(zip(*each, strict=True))

    def _suits(self, campaign: CampaignPlan, post: WorldPost, owner: AffiliatePlan) -> bool:
        """A day's margin at the start keeps clear of time zones."""
        runs = day(self._end, campaign.starts_d + 1) <= post.published_at <= day(self._end, campaign.ends_d)
        about = post.platform in campaign.rates and post.subreddit in campaign.topics
        admitted = owner.connects or not campaign.requires_proof
        return runs and about and admitted and post.published_at + YOUNGEST <= self._last_claim(campaign)

    def _last_claim(self, campaign: CampaignPlan) -> datetime:
        until_d = campaign.ends_d + CLAIM_WINDOW_DAYS - 1 if campaign.paused_d is None else campaign.paused_d
        return min(day(self._end, until_d), self._end)

    def _claims(
        self, post: WorldPost, affiliate: AffiliatePlan, campaign: CampaignPlan
    ) -> Iterator[tuple[datetime, PlannedClaim]]:
        """One to three claims for a post, each with the moment of the session that looks at it."""
        rng = self._rng("claims", post.external_id)
        habit = _Habit.of(affiliate.character, post.platform, rng)
        is_shared = self._rng("link", post.external_id).random() < SHORT_LINK_SHARE
        url = (post.short_url if is_shared else None) or post.url
        last_at = self._last_claim(campaign)
        wanted_at = post.published_at + _first_wait(rng)
        if wanted_at > last_at - SESSION_EVERY:
            wanted_at = post.published_at + (last_at - SESSION_EVERY - post.published_at) * rng.uniform(0.1, 1)
        for _ in range(rng.choices((1, 2, 3), (50, 30, 20))[0]):
            place = bisect_left(self._moments, wanted_at + timedelta(minutes=10))
            if place == len(self._moments) or self._moments[place] >= last_at:
                return
            session = self._moments[place]
            if post.platform in OWNERS_ONLY:
                session = self._sitting(affiliate, place, last_at) or session
            at = session - timedelta(seconds=rng.randrange(20, 540))
            if not self._disturbs(post, at, session):
                yield session, PlannedClaim(at, affiliate, campaign, post, url, habit.figures(post, at, rng))
            wanted_at = session + timedelta(days=rng.uniform(2, 6))

    def _sitting(self, affiliate: AffiliatePlan, place: int, last_at: datetime) -> datetime | None:
        """The first of an affiliate's sittings from a session on; None where the last claims are due before it."""
        moments = self._moments[place + (affiliate.author - place) % SITTING_EVERY :]
        return moments[0] if moments and moments[0] < last_at else None

    def _disturbs(self, post: WorldPost, claimed_at: datetime, looked_at: datetime) -> bool:
        """Whether a look that may follow from this one falls into the quiet time after the story.

        What only its owner is shown may turn out not to be shown to us, whoever has connected what: then the last look
        comes when the time to open the way is over.
        """
        if post.platform in OWNERS_ONLY and self._is_quiet(claimed_at + timedelta(days=ACCESS_WITHIN_DAYS)):
            return True
        lag = VIEWS_LAG[post.platform]
        since = post.published_at if lag.basis is LagBasis.POST_AGE else claimed_at
        lag_ends = since + timedelta(hours=lag.hours)
        was_missing = False
        while True:
            missing = post.presence_at(looked_at) != Presence.LIVE
            if missing and not was_missing:
                next_at = looked_at + timedelta(hours=MISSING_LOOK_AFTER_H)
            elif looked_at < lag_ends:
                next_at = lag_ends
            else:
                return False
            if next_at > self._moments[-1]:
                return self._is_quiet(next_at)
            was_missing = missing
            looked_at = self._moments[bisect_left(self._moments, next_at)]

    def _is_quiet(self, moment: datetime) -> bool:
        """Whether a moment lies in the quiet time after the story's last look."""
        return self._moments[-1] < moment <= self._end + QUIET_AFTER

    def _contest(self, claims: dict[datetime, list[PlannedClaim]]) -> None:
        """Now and then somebody claims what is another's, once that has been looked at, and is refused."""
        rng = self._rng("contest")
        known: set[str] = set()
        again = []
        for at in self._moments[:-1]:
            again += [(at, claim) for claim in claims[at] if claim.campaign.is_open and claim.post.external_id in known]
            known |= {claim.post.external_id for claim in claims[at]}
        for at, claim in rng.sample(again, round(len(again) * CONTESTED_SHARE)):
            other = rng.choice([plan for plan in AFFILIATES if plan is not claim.affiliate])
            contested = replace(claim, at=at - timedelta(seconds=5), affiliate=other, url=claim.post.url)
            claims[at].append(contested)


def _with_what_was_tracked(sessions: Sequence[Session], links: Sequence[PlannedLink]) -> list[Session]:
    """The sessions, in which whoever has a link claims what came through it."""
    claimed = {(link.affiliate.name, link.campaign.title, link.platform): link.claimed for link in links}

    def told(claim: PlannedClaim) -> PlannedClaim:
        tracked = claimed.get((claim.affiliate.name, claim.campaign.title, claim.post.platform))
        if tracked is None:
            return claim
        figures = replace(claim.figures, clicks=tracked.clicks, conversions=tracked.conversions)
        return replace(claim, figures=figures)

    return [replace(session, claims=[told(claim) for claim in session.claims]) for session in sessions]


def _owned(sessions: Sequence[Session]) -> Iterator[PlannedClaim]:
    """Claims, in order of time, for posts that are shown to the owner alone, of people who connect."""
    for claim in chain.from_iterable(session.claims for session in sessions):
        if (
            claim.post.platform in OWNERS_ONLY
            and claim.affiliate.connects
            and claim.post.author == claim.affiliate.author
        ):
            yield claim


def _withdrawn(sessions: Sequence[Session]) -> Account | None:
    """The account of the last claim that only its owner's connection can check: it is given back just before that."""
    honest = [claim for claim in _owned(sessions) if claim.affiliate.character is Character.HONEST]
    if not honest:
        return None
    last = honest[-1]
    return Account(last.at - timedelta(seconds=1), last.affiliate, last.post.platform)


def _first_wait(rng: Random) -> timedelta:
    """Some can't wait for their first claim, most take a few days."""
    hours = rng.choices((rng.uniform(0.6, 20), rng.uniform(24, 72), rng.uniform(72, 168)), (30, 45, 25))[0]
    return timedelta(hours=hours)


@dataclass(frozen=True, slots=True)
class _Habit:
    """How one post's figures are claimed, the same in each of its claims."""

    factor: tuple[float, float]
    is_rounded: bool = False
    clicks_only: bool = False

    @classmethod
    def of(cls, character: Character, platform: str, rng: Random) -> "_Habit":
        draw = rng.random()
        match character:
            case Character.CARELESS if draw < 0.6 and platform not in OWNERS_ONLY:
                return cls((0.95, 1), clicks_only=True)
            case Character.GENEROUS if draw < 0.6:
                return cls((1.02, 1.08), is_rounded=True)
            case Character.DISHONEST if draw < 0.4:
                return cls((1.3, 2.5))
        return cls((0.93, 1), clicks_only=platform == "reddit" and draw < 0.3)

    def figures(self, post: WorldPost, at: datetime, rng: Random) -> Figures:
        """What is claimed at a moment; nobody sees Reddit's views, so a claim of them is a guess by the score."""
        shown = post.figures_at(at)
        reach = shown.views if shown.views is not None else max(shown.likes or 0, 2) * rng.randrange(15, 40)
        clicks = round(reach * rng.uniform(0.004, 0.02))
        if self.clicks_only:
            return Figures(clicks=clicks)
        views = int(reach * rng.uniform(*self.factor))
        if self.is_rounded:
            unit = max(1, 10 ** (len(str(views)) - 3))
            views = -(-views // unit) * unit
        slip = rng.random()
        if slip < 0.0006:
            return Figures(views=max(views, 1_001) * 10**9)  # a key that stuck
        return Figures(views=views, clicks=clicks if slip > 0.88 else None)

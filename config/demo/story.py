"""What happens in the demo's world: who claims what for which post, and when.

A pure function of the sandbox's world, the story's first and last moment and a seed. People come in sessions, one about
every three hours: their claims arrive in the minutes before a session's end, where the platforms are then asked.

After the last moment nothing falls due for a while: a claim is left out if one of its next looks would lie there.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from random import Random

from config.demo.cast import ADVERTISERS, AFFILIATES, AffiliatePlan, CampaignPlan, Character
from platforms.metrics import VIEWS_LAG
from platforms.sandbox import words
from platforms.sandbox.world import SPAN, Presence, Series, World, WorldPost
from reconciliation.comparison import MISSING_LOOK_AFTER_H, Figures

CAMPAIGNS = tuple(campaign for advertiser in ADVERTISERS for campaign in advertiser.campaigns)
SESSION_EVERY = timedelta(hours=3)
QUIET_AFTER = timedelta(minutes=25)
"""Nothing falls due for so long after the story's end: the time it takes to be told, and the demo's first quarter."""
YOUNGEST = timedelta(hours=6)
"""A post published later than so long before the end is not in the story."""
CLAIM_WINDOW_DAYS = 14
SHARES = {"youtube": 0.5, "x": 0.34, "reddit": 0.16}
CONTESTED_SHARE = 0.003


class Move(StrEnum):
    """What happens to a campaign."""

    CREATE = "create"
    ACTIVATE = "activate"
    PAUSE = "pause"
    COMPLETE = "complete"


@dataclass(frozen=True, slots=True)
class PlannedClaim:
    at: datetime
    affiliate: AffiliatePlan
    campaign: CampaignPlan
    post: WorldPost
    figures: Figures


@dataclass(frozen=True, slots=True)
class Session:
    """Claims, in order of time, and the moment at which they are looked at."""

    at: datetime
    claims: Sequence[PlannedClaim]


@dataclass(frozen=True, slots=True)
class Story:
    start: datetime
    end: datetime
    sessions: Sequence[Session]
    moves: Sequence[tuple[datetime, Move, CampaignPlan]]

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
    return Story(first, end, telling.sessions(posts), _moves(end))


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
        moments = (first + SESSION_EVERY * k + timedelta(minutes=rng.randrange(150)) for k in range(count + 1))
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

    def _rng(self, *what: object) -> Random:
        return Random(":".join(map(str, (self._seed, *what))))

    def _posts(self, platform: str) -> Iterator[tuple[WorldPost, AffiliatePlan, CampaignPlan]]:
        """The posts of our affiliates' handles on a platform, each for a campaign that it suits."""
        owners = {words.handle(platform, plan.author): plan for plan in AFFILIATES}
        for post in self._world.posts(platform, Series.CURRENT):
            owner = owners.get(post.author_handle)
            if owner is None or not self._first <= post.published_at <= self._last:
                continue
            rng = self._rng("choice", post.external_id)
            suited = [campaign for campaign in CAMPAIGNS if self._suits(campaign, post)]
            if suited and rng.random() < self._activity[owner.name]:
                yield post, owner, rng.choice(suited)

    def _suits(self, campaign: CampaignPlan, post: WorldPost) -> bool:
        """A day's margin at the start keeps clear of time zones."""
        runs = day(self._end, campaign.starts_d + 1) <= post.published_at <= day(self._end, campaign.ends_d)
        about = post.platform in campaign.rates and post.subreddit in campaign.topics
        return runs and about and post.published_at + YOUNGEST <= self._last_claim(campaign)

    def _last_claim(self, campaign: CampaignPlan) -> datetime:
        until_d = campaign.ends_d + CLAIM_WINDOW_DAYS - 1 if campaign.paused_d is None else campaign.paused_d
        return min(day(self._end, until_d), self._end)

    def _claims(
        self, post: WorldPost, affiliate: AffiliatePlan, campaign: CampaignPlan
    ) -> Iterator[tuple[datetime, PlannedClaim]]:
        """One to three claims for a post, each with the moment of the session that looks at it."""
        rng = self._rng("claims", post.external_id)
        habit = _Habit.of(affiliate.character, post.platform, rng)
        last_at = self._last_claim(campaign)
        wanted_at = post.published_at + _first_wait(rng)
        if wanted_at > last_at - SESSION_EVERY:
            wanted_at = post.published_at + (last_at - SESSION_EVERY - post.published_at) * rng.uniform(0.1, 1)
        for _ in range(rng.choices((1, 2, 3), (50, 30, 20))[0]):
            place = bisect_left(self._moments, wanted_at + timedelta(minutes=10))
            if place == len(self._moments) or self._moments[place] >= last_at:
                return
            session = self._moments[place]
            at = session - timedelta(seconds=rng.randrange(20, 540))
            if not self._disturbs(post, session):
                yield session, PlannedClaim(at, affiliate, campaign, post, habit.figures(post, at, rng))
            wanted_at = session + timedelta(days=rng.uniform(2, 6))

    def _disturbs(self, post: WorldPost, looked_at: datetime) -> bool:
        """Whether a look that may follow from this one falls into the quiet time after the story."""
        lag_ends = post.published_at + timedelta(hours=VIEWS_LAG[post.platform].hours)
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
                return next_at <= self._end + QUIET_AFTER
            was_missing = missing
            looked_at = self._moments[bisect_left(self._moments, next_at)]

    def _contest(self, claims: dict[datetime, list[PlannedClaim]]) -> None:
        """Now and then somebody claims what is another's, and is refused."""
        rng = self._rng("contest")
        everything = [(at, claim) for at in self._moments[:-1] for claim in claims[at] if claim.campaign.is_open]
        for at, claim in rng.sample(everything, round(len(everything) * CONTESTED_SHARE)):
            other = rng.choice([plan for plan in AFFILIATES if plan is not claim.affiliate])
            claims[at].append(PlannedClaim(at - timedelta(seconds=5), other, claim.campaign, claim.post, claim.figures))


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
            case Character.CARELESS if draw < 0.6:
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

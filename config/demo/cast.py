"""Who there is in the demo's world: advertisers with their people and campaigns, and the affiliates. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from affiliates.keys import SCOPES
from campaigns.rates import Rates
from platforms.sandbox import words

OWNERS_ONLY = ("tiktok", "instagram", "facebook")
"""Platforms that show views to the account's owner alone."""


class Character(StrEnum):
    """How an affiliate reports: to the view, rounded up, made up on some posts, or what nobody can verify: figures that
    are counted nowhere, and posts of accounts that they never connect."""

    HONEST = "honest"
    GENEROUS = "generous"
    DISHONEST = "dishonest"
    CARELESS = "careless"


@dataclass(frozen=True, slots=True)
class AffiliatePlan:
    """An affiliate. `author` is the number of the sandbox's author whose posts are theirs."""

    name: str
    topic: str
    character: Character
    author: int

    @property
    def email(self) -> str:
        return f"{'.'.join(self.name.lower().split())}@creators.example"

    def posts_on(self, platform: str) -> bool:
        """Whether they publish there: everybody does where all can see the views, and on two of the other three."""
        place = self.author // len(words.TOPICS)
        return platform != OWNERS_ONLY[(place + 2) % len(OWNERS_ONLY)]

    @property
    def connects(self) -> bool:
        """Whether they connect the accounts whose figures are shown to their owner alone."""
        return self.character is not Character.CARELESS


@dataclass(frozen=True, slots=True)
class CampaignPlan:
    """A campaign. Its days count from the story's last one; what began is active, what ended completed, unless it was
    paused. Posts about `topics` are published for it; `rates` says on which platforms, and what is paid there. Tracking
    links lead to `landing_url`; without one there are none.
    """

    title: str
    brand: str
    market: str
    topics: frozenset[str]
    rates: Mapping[str, Rates]
    starts_d: int
    ends_d: int
    budget: str
    paused_d: int | None = None
    is_open: bool = True
    requires_proof: bool = False
    landing_url: str = ""


@dataclass(frozen=True, slots=True)
class PersonPlan:
    name: str
    email: str
    role: str

    @property
    def scopes(self) -> tuple[str, ...]:
        """What a program may do on this person's behalf."""
        return {"staff": SCOPES, "manager": ("read", "campaigns", "reconcile", "alerts")}.get(self.role, ("read",))


@dataclass(frozen=True, slots=True)
class AdvertiserPlan:
    name: str
    time_zone: str
    currency: str
    brands: Mapping[str, str]
    people: tuple[PersonPlan, ...]
    campaigns: tuple[CampaignPlan, ...]


STAFF = PersonPlan("Samira Okafor", "samira@claimcheck.example", "staff")

MARKETS = {
    "US": ("United States", "North America"),
    "CA": ("Canada", "North America"),
    "FR": ("France", "Europe"),
    "DE": ("Germany", "Europe"),
    "ES": ("Spain", "Europe"),
    "GB": ("United Kingdom", "Europe"),
}


def _people(domain: str, manager: str, analyst: str, viewer: str) -> tuple[PersonPlan, ...]:
    return tuple(
        PersonPlan(name, f"{name.split()[0].lower()}@{domain}", role)
        for name, role in ((manager, "manager"), (analyst, "analyst"), (viewer, "viewer"))
    )


def _topics(*names: str) -> frozenset[str]:
    return frozenset(names)


def _rates(**prices: str) -> dict[str, Rates]:
    """From "per 1,000 views, per click, per conversion" for each platform; a dash is no rate."""
    return {
        platform: Rates(*(None if price == "-" else Decimal(price) for price in text.split()))
        for platform, text in prices.items()
    }


# Reddit publishes no views, so nobody pays for views there.
_FOOD = _rates(
    youtube="12 0.40 -", tiktok="7 0.30 -", instagram="9 0.40 -", facebook="4.50 0.25 -", x="5.50 0.30 -",
    reddit="- 0.35 -",
)  # fmt: skip
_BEAUTY = _rates(
    youtube="14.50 0.45 3", tiktok="8.50 0.40 3", instagram="11 0.45 3", facebook="5 0.25 3", x="6 0.30 3",
    reddit="- 0.40 3",
)  # fmt: skip
_GAMES = _rates(
    youtube="9.80 0.25 1.20", tiktok="6 0.20 1.20", instagram="7.50 0.25 -", facebook="3.80 0.15 -", x="4.20 0.20 -",
    reddit="- 0.20 1.20",
)  # fmt: skip


def _on(rates: Mapping[str, Rates], *platforms: str) -> dict[str, Rates]:
    return {platform: rates[platform] for platform in platforms}


ADVERTISERS = (
    AdvertiserPlan(
        "Northwind Foods", "America/New_York", "USD",
        brands={"NWF": "Northwind", "HTB": "Harvest Table"},
        people=_people("northwind.example", "Dana Whitfield", "Marcus Bell", "Priya Raman"),
        campaigns=(
            CampaignPlan(
                "Weeknight Dinners", "NWF", "US", _topics("Cooking"), _FOOD, -45, 45, "60000",
                landing_url="https://shop.northwind.example/dinners?from=creators",
            ),
            CampaignPlan(
                "Harvest Table Launch", "HTB", "CA", _topics("Cooking"), _on(_FOOD, "youtube", "instagram", "facebook"),
                -20, 40, "40000",
            ),
            CampaignPlan(
                "Morning Fuel", "HTB", "US", _topics("homegym", "Cooking"), _on(_FOOD, "tiktok", "instagram", "x"), -50,
                30, "35000",
            ),
            CampaignPlan(
                "Cold Brew Season", "NWF", "US", _topics("Cooking", "homegym"),
                _on(_FOOD, "youtube", "tiktok", "instagram", "x"), -60, -9, "25000",
            ),
            CampaignPlan("Holiday Baking", "NWF", "US", _topics("Cooking"), _FOOD, 6, 40, "80000"),
        ),
    ),
    AdvertiserPlan(
        "Aurelia Beauty", "Europe/Paris", "EUR",
        brands={"AUR": "Aurelia", "SOL": "Solène"},
        people=_people("aurelia.example", "Camille Girard", "Tomasz Nowak", "Lucía Ferrer"),
        campaigns=(
            CampaignPlan("Glow Routine", "AUR", "FR", _topics("SkincareAddiction"), _BEAUTY, -40, 50, "55000"),
            CampaignPlan(
                "Carry-On Beauty", "AUR", "DE", _topics("travel", "SkincareAddiction"),
                _on(_BEAUTY, "tiktok", "instagram"), -25, 35, "30000", requires_proof=True,
            ),
            CampaignPlan(
                "Sun Without Worry", "SOL", "ES", _topics("SkincareAddiction", "travel"),
                _on(_BEAUTY, "youtube", "tiktok", "x"), -60, 20, "30000", paused_d=-6,
            ),
            CampaignPlan("Winter Repair", "AUR", "FR", _topics("SkincareAddiction"), _BEAUTY, 9, 70, "45000"),
        ),
    ),
    AdvertiserPlan(
        "Lantern Games", "Europe/London", "GBP",
        brands={"LAN": "Lantern Games", "HBL": "Harbour Lights"},
        people=_people("lantern.example", "Owen Hughes", "Aisha Rahman", "Freya Lund"),
        campaigns=(
            CampaignPlan("Harbour Lights Launch", "HBL", "GB", _topics("gaming"), _GAMES, -18, 42, "70000"),
            CampaignPlan(
                "Handheld Week", "LAN", "GB", _topics("gadgets", "gaming"), _on(_GAMES, "youtube", "tiktok", "x"), -12,
                16, "20000", is_open=False,
            ),
            CampaignPlan(
                "Harbour Lights Beta", "HBL", "GB", _topics("gaming", "gadgets"),
                _on(_GAMES, "youtube", "facebook", "reddit"), -70, -16, "15000",
            ),
        ),
    ),
)  # fmt: skip

OWNERS = {campaign.title: advertiser for advertiser in ADVERTISERS for campaign in advertiser.campaigns}
"""Whose campaign it is, by its title."""

_NAMES = {
    "Cooking": (
        "Mara Lindqvist", "Joel Castellanos", "Kitchen Table Co", "Beatriz Fontana", "Noah Abernathy", "Yuki Tanabe",
        "Renee Thibault", "Two Spoons Studio", "Elias Brandt", "Pilar Ocampo", "Hannah Oyelaran",
    ),
    "homegym": ("Drew Kowalski", "Selin Aydin", "Grit and Grace", "Marek Havel", "Tasha Greene"),
    "SkincareAddiction": (
        "Ines Moreau", "Clara Vogel", "Noor Haddad", "Bare Shelf", "Giulia Conti", "Anouk Peeters", "Amara Nwosu",
        "Soft Focus Media", "Katya Orlova", "Leonie Fischer",
    ),
    "travel": ("Mateo Serrano", "Ayla Demir", "Slow Train Diaries"),
    "gaming": (
        "Rhys Calloway", "Pixel Parlour", "Jonas Eklund", "Mina Park", "Save Point", "Theo Marchetti", "Orla Brennan",
        "Couch Co-op Club",
    ),
    "gadgets": ("Arjun Mehta", "Benchtop Reviews", "Wren Ashdown"),
}  # fmt: skip
_CHARACTERS = {
    Character.DISHONEST: ("Joel Castellanos", "Anouk Peeters", "Save Point", "Marek Havel"),
    Character.GENEROUS: (
        "Two Spoons Studio", "Tasha Greene", "Noor Haddad", "Soft Focus Media", "Mateo Serrano", "Theo Marchetti",
        "Arjun Mehta",
    ),
    Character.CARELESS: ("Renee Thibault", "Bare Shelf", "Couch Co-op Club"),
}  # fmt: skip


def _affiliates() -> tuple[AffiliatePlan, ...]:
    topics = [topic.subreddit for topic in words.TOPICS]
    characters = {name: character for character, names in _CHARACTERS.items() for name in names}
    listed = [(name, topic) for topic, names in _NAMES.items() for name in names]
    return tuple(
        # the sandbox's author number n writes about topic n modulo their number
        AffiliatePlan(name, topic, characters.get(name, Character.HONEST), topics.index(topic) + len(topics) * place)
        for place, (name, topic) in enumerate(listed)
    )


AFFILIATES = _affiliates()
GUEST = next(plan for plan in AFFILIATES if not plan.connects)
"""The affiliate who may log in to the web, and has accounts to connect there."""

NOTES = (
    "Asked for a screenshot of the platform's own statistics; the affiliate corrected the figure.",
    "Affiliate counted views of a repost as well. Explained how we count; claim stays as judged.",
    "Rounded up. Reminded them to claim what the platform shows.",
    "Looked at the post: bought engagement is likely. Payment for this post is held.",
    "Figure came from another video of the same series. The affiliate apologised.",
    "Small amount and a first time: a friendly word was enough.",
)
"""What people write when they resolve an alert."""

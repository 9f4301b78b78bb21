"""What the posts of the world are called and who publishes them."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Topic:
    subreddit: str
    things: tuple[str, ...]
    twists: tuple[str, ...]


TOPICS = (
    Topic(
        "Cooking",
        ("sheet-pan gnocchi", "cold brew", "cast-iron pizza", "miso ramen", "overnight oats", "pickled onions",
         "salt & vinegar chickpeas", "brown butter cookies", "one-pot lentils", "chili crisp"),
        ("in 15 minutes", "for under $10", "without an oven", "the way my aunt makes it", "for a full week"),
    ),
    Topic(
        "travel",
        ("night trains", "Lisbon", "a campervan", "Kyoto in the rain", "island ferries", "the Dolomites",
         "carry-on only", "hostels at 40", "a layover in Doha", "Oaxaca"),
        ("on a small budget", "with two kids", "in three days", "out of season", "without a plan"),
    ),
    Topic(
        "gadgets",
        ("noise-cancelling earbuds", "a mechanical keyboard", "the new action cam", "a 65 W charger", "an e-ink tablet",
         "a desk lamp", "budget microphones", "a smart ring", "trail running shoes", "a travel backpack"),
        ("after six months", "for remote work", "under $100", "on a 12-hour flight", "against the expensive one"),
    ),
    Topic(
        "SkincareAddiction",
        ("vitamin C serum", "mineral sunscreen", "lip stain", "a two-step routine", "rice toner", "brow gel",
         "fragrance-free moisturiser", "drugstore mascara", "heatless curls", "press-on nails"),
        ("for dry skin", "in summer heat", "before a wedding", "on no sleep", "for beginners"),
    ),
    Topic(
        "gaming",
        ("cozy farming sims", "the harbour level", "handheld PCs", "permadeath runs", "couch co-op", "speedrun routes",
         "indie roguelikes", "the photo mode", "deck builders", "retro consoles"),
        ("on hard mode", "with zero deaths", "for people with jobs", "on launch day", "after the patch"),
    ),
    Topic(
        "homegym",
        ("kettlebells", "a walking pad", "ten-minute mobility", "resistance bands", "zone 2 runs", "a pull-up bar",
         "rowing", "morning yoga", "jump rope", "cold showers"),
        ("in a small flat", "every day for a month", "after 50", "before work", "with no equipment"),
    ),
)  # fmt: skip

PATTERNS = (
    "I tried {thing} {twist}",
    "{thing} {twist}: worth it?",
    "The honest truth about {thing}",
    "{count} days of {thing}: what changed",
    "Everything I got wrong about {thing}",
    "{thing} vs {other}, {twist}",
    "Stop overpaying for {thing}",
    "{thing} & {other}: my favourites right now",
    "{thing} {twist} (part {part})",
    "Nobody talks about {thing} {twist}",
)

ADJECTIVES = (
    "Lazy", "Salty", "Quiet", "Rapid", "Sunny", "Brave", "Tiny", "Urban", "Velvet", "Honest",
    "Northern", "Frugal", "Electric", "Gentle", "Curious", "Wild", "Golden", "Paper", "Midnight", "Plain",
)  # fmt: skip
NOUNS = (
    "Fork", "Nomad", "Pixel", "Kettle", "Lens", "Harbor", "Juniper", "Trail", "Studio", "Fox",
    "Pantry", "Orbit", "Meadow", "Circuit", "Lantern", "Otter", "Atlas", "Biscuit", "Canvas", "Comet",
)  # fmt: skip
AUTHORS = len(ADJECTIVES) * len(NOUNS)

HANDLE_STYLES = {
    "youtube": "The{adjective}{noun}",
    "reddit": "{adjective}-{noun}-{number}",
    "x": "{adjective}{noun}",
    "tiktok": "{small_adjective}{small_noun}",
    "instagram": "{small_adjective}_{small_noun}",
    "facebook": "{small_adjective}.{small_noun}",
}


def title(rng: Random, topic: Topic) -> str:
    thing, other = rng.sample(topic.things, 2)
    text = rng.choice(PATTERNS).format(
        thing=thing,
        other=other,
        twist=rng.choice(topic.twists),
        count=rng.choice((7, 14, 30, 60)),
        part=rng.randint(1, 4),
    )
    return text[0].upper() + text[1:]


def handle(platform: str, author: int) -> str:
    """The name that author number `author` (0 … AUTHORS - 1) goes by on a platform, without an @."""
    adjective, noun = ADJECTIVES[author % len(ADJECTIVES)], NOUNS[author // len(ADJECTIVES)]
    return HANDLE_STYLES[platform].format(
        adjective=adjective,
        noun=noun,
        small_adjective=adjective.lower(),
        small_noun=noun.lower(),
        number=100 + author * 2,
    )


def followers(author: int) -> int:
    return 1_000 + author * 37


def display_name(author: int) -> str:
    """What stands above an author's posts, as opposed to the handle."""
    return f"{ADJECTIVES[author % len(ADJECTIVES)]} {NOUNS[author // len(ADJECTIVES)]}"

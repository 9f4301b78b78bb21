"""The platforms' habits: how far posts reach, what part of it likes, comments and shares are, and what owners hide."""

import math
from dataclasses import dataclass
from random import Random

REACH_FLOOR, REACH_CEILING = 200, 5_000_000
EVEN_FLOOR, EVEN_STEP = 10_000, 20


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts at one moment; None where the platform or the owner shows none."""

    views: int | None = None
    likes: int | None = None
    comments: int | None = None
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class Traits:
    """A platform's habits. Reach is log-normal (median, sigma); the other figures are a part of it (low, high)."""

    median: int
    sigma: float
    likes: tuple[float, float]
    comments: tuple[float, float]
    shares: tuple[float, float] | None
    shows_views: bool = True


TRAITS = {
    "youtube": Traits(12_000, 1.6, likes=(0.02, 0.08), comments=(0.001, 0.01), shares=None),
    # Reddit counts views and tells nobody: score and comments follow a reach that is never shown.
    "reddit": Traits(9_000, 1.4, likes=(0.01, 0.06), comments=(0.001, 0.015), shares=(0.0, 0.0005), shows_views=False),
    "x": Traits(6_000, 1.7, likes=(0.005, 0.05), comments=(0.0005, 0.006), shares=(0.001, 0.012)),
    "tiktok": Traits(15_000, 1.8, likes=(0.03, 0.12), comments=(0.0005, 0.008), shares=(0.0005, 0.01)),
    "instagram": Traits(8_000, 1.5, likes=(0.02, 0.09), comments=(0.0008, 0.01), shares=(0.0005, 0.01)),
    "facebook": Traits(5_000, 1.6, likes=(0.01, 0.05), comments=(0.0005, 0.01), shares=(0.0, 0.008)),
}
PLATFORMS = tuple(TRAITS)
HIDES_LIKES = ("youtube", "instagram")
HIDES_COMMENTS = ("youtube",)


def final_figures(rng: Random, traits: Traits, *, even: bool) -> Figures:
    """Where a post's figures end; `even` makes the views large and divisible by EVEN_STEP."""
    drawn = traits.median * math.exp(traits.sigma * rng.gauss(0, 1))
    reach = int(min(max(drawn, REACH_FLOOR), REACH_CEILING))
    if even:
        reach = EVEN_FLOOR + reach // EVEN_STEP * EVEN_STEP
    return Figures(
        views=reach if traits.shows_views else None,
        likes=int(reach * rng.uniform(*traits.likes)),
        comments=int(reach * rng.uniform(*traits.comments)),
        shares=None if traits.shares is None else int(reach * rng.uniform(*traits.shares)),
    )

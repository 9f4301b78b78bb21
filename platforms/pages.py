"""What the page of an affiliate's connections says, platform by platform."""

from dataclasses import dataclass

from affiliates.models import Affiliate
from platforms import oauth
from platforms.forms import TokenForm
from platforms.models import Connection, Platform
from platforms.services.connecting import TAKES_TOKENS

_OWNERS_ONLY = ("tiktok", "instagram", "facebook")
"""Where a claim of views can be checked with the owner's connection only."""
_GIVES = {
    "tiktok": "TikTok shows a video's figures to its owner only. Until you connect, your claims there stay "
    "unverifiable.",
    "instagram": "Instagram shows views to the owner of a professional account only. Until you connect, claims of "
    "views there stay unverifiable.",
    "facebook": "Facebook shows a page's figures to the page only. Until you connect, your claims there stay "
    "unverifiable.",
    "x": "X shows its figures to anybody. Connecting proves that the account is yours, and your posts are read with an "
    "allowance of their own.",
    "youtube": "YouTube shows its figures to anybody. Connecting proves that the channel is yours, and your videos are "
    "read with your own permission.",
}
_TOKENS = {
    "instagram": "A long-lived access token of your professional account.",
    "facebook": "A page access token: one of your page, not of yourself.",
    "x": "A user access token (OAuth 2.0) of your account.",
    "youtube": "An OAuth access token of your channel. An API key will not do: it does not say whose channel it is.",
}


@dataclass(frozen=True, slots=True)
class Card:
    """One platform: how its connection stands, and what can be done about it."""

    platform: Platform
    connection: Connection | None
    by_oauth: bool
    token_form: TokenForm | None

    @property
    def is_connected(self) -> bool:
        return self.connection is not None and self.connection.state != Connection.State.DISCONNECTED

    @property
    def status(self) -> str:
        """As the badge names it."""
        if self.connection is None or not self.is_connected:
            return "not_connected"
        if self.connection.state == Connection.State.PARKED:
            return "needs_you"
        return "ends_soon" if self.connection.ends_soon else "connected"

    @property
    def gives(self) -> str:
        """What connecting is good for."""
        return _GIVES[self.platform.slug]

    @property
    def token_help(self) -> str:
        return _TOKENS.get(self.platform.slug, "")

    @property
    def verb(self) -> str:
        return "Connect again" if self.is_connected else f"Connect {self.platform}"

    @property
    def wants_connecting(self) -> bool:
        """Whether connecting is what there is to do: what is claimed waits for it, or soon will."""
        if self.status == "not_connected":
            return self.platform.slug in _OWNERS_ONLY
        return self.status in ("needs_you", "ends_soon")

    @property
    def loss(self) -> str:
        """What disconnecting does, for the dialog that asks."""
        erased = f"What we stored is erased, and we read nothing more from {self.platform} in your name."
        if self.platform.slug in _OWNERS_ONLY:
            return f"{erased} Claims that only your connection can check become unverifiable until you connect again."
        return f"{erased} Your claims there go on being checked with what {self.platform} shows to anybody."


def cards_of(affiliate: Affiliate, *, refused: tuple[str, TokenForm] | None = None) -> list[Card]:
    """A card for every platform that can be connected. `refused`: a platform whose token form has errors to show."""
    mine = Connection.objects.filter(affiliate=affiliate, livemode=True).for_list()
    by_platform = {each.platform_id: each for each in mine}
    platforms = Platform.objects.filter(is_active=True, slug__in=list(oauth.PROVIDERS))
    order = list(_GIVES)
    return [
        Card(
            platform=each,
            connection=by_platform.get(each.pk),
            by_oauth=oauth.client_of(each.slug, livemode=True) is not None,
            token_form=_token_form(each.slug, refused),
        )
        for each in sorted(platforms, key=lambda platform: order.index(platform.slug))
    ]


def _token_form(slug: str, refused: tuple[str, TokenForm] | None) -> TokenForm | None:
    if slug not in TAKES_TOKENS:
        return None
    return refused[1] if refused and refused[0] == slug else TokenForm(auto_id=f"{slug}-%s")

"""Every path of every platform."""

from platforms.sandbox import (
    oauth_meta,
    oauth_tokens,
    wire_discord,
    wire_facebook,
    wire_instagram,
    wire_reddit,
    wire_tiktok,
    wire_x,
    wire_youtube,
)
from platforms.sandbox.wire import Endpoint, Request, Route

# A node of Meta's API is any path at all, so what is not a node stands before it.
ROUTES: dict[str, tuple[Route, ...]] = {
    "Discord": wire_discord.ROUTES,
    "YouTube Data API v3 and Google's OAuth": (*oauth_tokens.GOOGLE_ROUTES, *wire_youtube.ROUTES),
    "Reddit": wire_reddit.ROUTES,
    "X API v2": (*oauth_tokens.X_ROUTES, *wire_x.ROUTES),
    "TikTok Display API": (*oauth_tokens.TIKTOK_ROUTES, *wire_tiktok.ROUTES),
    "Instagram, on graph.facebook.com": (*oauth_meta.INSTAGRAM_ROUTES, *wire_instagram.ROUTES),
    "Facebook, on graph.facebook.com": (*oauth_meta.FACEBOOK_ROUTES, *wire_facebook.ROUTES),
}


def find(request: Request) -> tuple[Endpoint, Request] | None:
    """The endpoint that a request is for, and the request with its place filled in."""
    for routes in ROUTES.values():
        for route in routes:
            matched = route.matched(request)
            if matched is not None:
                return route.endpoint, matched
    return None

"""`manage.py normalize_url`: which posts links name, one JSON object for each line of standard input."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from platforms.errors import PlatformError
from platforms.links import Identity, NeedsNetwork, NotAPost, PostLink, identify
from platforms.links.address import BLANKS
from platforms.management.pipes import lines, reader_may_leave
from platforms.resolver import link_http, resolve


class Command(BaseCommand):
    help = (
        "Read URLs from standard input, one a line, and print for each, in order, a JSON object with url, platform, "
        "external_id, canonical_url, needs_network and error."
    )
    # It needs neither the database nor a sound configuration.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--resolve", action="store_true", help="ask the hosts of short links where they lead")

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.stdin is None:  # closed by whoever started us
            return
        with reader_may_leave():
            for line in lines(sys.stdin.buffer):
                url = line.strip(BLANKS)
                self.stdout.write(json.dumps(answered(url, with_network=options["resolve"])))
                self.stdout.flush()  # whoever sends one line and waits gets its answer


def answered(url: str, *, with_network: bool) -> dict[str, str | bool | None]:
    link: Identity = identify(url)
    error = None
    if with_network and isinstance(link, NeedsNetwork):
        try:
            link = resolve(link, link_http())
        except PlatformError as failure:
            error = failure.kind.value
    post = link if isinstance(link, PostLink) else None
    return {
        "url": url,
        "platform": link.platform,
        "external_id": post.external_id if post else None,
        "canonical_url": post.canonical_url if post else None,
        "needs_network": isinstance(link, NeedsNetwork),
        "error": link.code.value if isinstance(link, NotAPost) else error,
    }

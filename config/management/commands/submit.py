"""`manage.py submit`: claim a post's figures over the API, as an affiliate's program does, and wait for the verdict."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from config.demo.live import Api, LiveError, submit_and_wait, trust_of
from config.demo.report import show, what_came_of_it


class Command(BaseCommand):
    help = "Claim the figures of a post over the API and show the verdict."
    # It speaks to a server that may be anywhere, and needs neither database nor settings of its own.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--base-url", default="http://127.0.0.1:8000")
        parser.add_argument("--api-key", required=True, help="an affiliate's")
        parser.add_argument("--campaign", required=True, help="its id")
        parser.add_argument("--platform", required=True)
        parser.add_argument("--url", required=True)
        for metric in ("views", "clicks", "conversions"):
            parser.add_argument(f"--{metric}", type=int)
        parser.add_argument("--title")

    def handle(self, *args: Any, **options: Any) -> None:
        figures = {f"claimed_{metric}": options[metric] for metric in ("views", "clicks", "conversions")}
        claim = {name: options[name] for name in ("campaign", "platform", "url", "title")} | figures
        api = Api(options["base_url"].rstrip("/"), options["api_key"])
        try:
            seen = submit_and_wait(api, {name: value for name, value in claim.items() if value is not None})
            trust = trust_of(api, seen.standing["affiliate"]["id"])
        except (LiveError, OSError) as error:
            raise CommandError(str(error)) from error
        show(Console(), "The claim and its verdict", what_came_of_it(seen, trust))

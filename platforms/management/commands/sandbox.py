"""`manage.py sandbox`: run the stand-in for the platforms."""

import os
import signal
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError

from config import clock
from platforms.sandbox.server import SandboxServer
from platforms.sandbox.state import utc_moment
from platforms.sandbox.world import SPAN

USAGE = """\
The sandbox listens. Everything it knows is on its front page; Ctrl-C ends it.

  front page         {url}/
  posts to claim     curl '{url}/__sandbox__/posts?platform=tiktok&series=even&count=5'
  allow an account   {url}/v2/auth/authorize/?client_key=me&redirect_uri=http://127.0.0.1:8000/
  ask for one post   curl '{url}/youtube/v3/videos?part=statistics&key=any&id=ID'
  break something    curl '{url}/__sandbox__/faults' -d '{{"platform": "x", "kind": "quota", "rate": 1, "seconds": 60}}'

"""


def epoch(text: str) -> datetime:
    try:
        return utc_moment(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error


def write_atomically(path: Path, text: str) -> None:
    """Whoever waits for the file finds it whole."""
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.write_text(text)
    half.replace(path)


class Command(BaseCommand):
    help = "Run the sandbox: a server that speaks the platforms' wire protocols for a made-up world of posts."
    # It needs neither the database nor a sound configuration.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8900, help="0 takes a free one")
        parser.add_argument("--seed", type=int, default=7)
        parser.add_argument(
            "--epoch", type=epoch, help="where the world's 30 days begin; 30 days ago at midnight UTC if not given"
        )
        parser.add_argument("--latency-ms", type=int, default=0, help="added to every call of a platform")
        parser.add_argument("--port-file", type=Path, help="the URL is written here once the server listens")

    def handle(self, *args: Any, **options: Any) -> None:
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            server = SandboxServer(
                seed=options["seed"],
                epoch=options["epoch"] or midnight - SPAN,
                host=options["host"],
                port=options["port"],
                latency_ms=options["latency_ms"],
            )
        except (OSError, OverflowError) as error:
            raise CommandError(f"cannot listen on {options['host']}:{options['port']}: {error}") from error
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)
        self.stdout.write(server.url)
        self.stdout.flush()
        if self.stderr.isatty():
            # Programs read the first line of stdout; people get a hint where programs do not look.
            self.stderr.write(USAGE.format(url=server.url), self.style.SUCCESS)
        if options["port_file"]:
            write_atomically(options["port_file"], server.url)
        server.serve_forever()


def _stop(signum: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)

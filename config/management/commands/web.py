"""`manage.py web`: the site and the API, by gunicorn."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

WORKERS, THREADS = 2, 4


class Command(BaseCommand):
    help = "Serve the site and the API."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, **options: Any) -> None:
        command = [sys.executable, "-m", "gunicorn", "config.wsgi:application"]
        command += ["--bind", f"{options['host']}:{options['port']}", "--chdir", str(settings.BASE_DIR)]
        command += ["--worker-class", "gthread", "--workers", str(WORKERS), "--threads", str(THREADS)]
        command += ["--preload", "--graceful-timeout", "5", "--no-control-socket"]
        os.execv(sys.executable, command)  # noqa: S606 (all arguments are our own)

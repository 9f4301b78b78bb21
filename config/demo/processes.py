"""Starting, watching and ending the demo's programs, so that none is left behind however the demo ends.

Each program runs in a session of its own, without a terminal's signals or input, and writes to its log. Where the
system can (`setpriv`), it gets a SIGTERM when the demo dies, even by SIGKILL. The demo adopts orphans, and ends them.
The embedded PostgreSQL is no program of the demo: others may use it, and its keeper ends it after the last one.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from django.conf import settings

from config.watchdog import STOP_SIGNALS, adopt_orphans

POLL_S = 0.1
STOP_TIMEOUT_S = 8
RESTART_AFTER_S = 0.5
READY_TIMEOUT_S = 60
LOG_LINES_SHOWN = 15
KEEPER = "config.embedded.keeper"


class StepFailedError(Exception):
    """A program ended that should not have, or was not ready in time; the message says which and where its log is."""


class StoppedError(Exception):
    """The demo was told to stop."""


@dataclass(slots=True)
class Program:
    """A program that runs as long as the demo does."""

    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes]

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None


class Supervisor:
    """The demo's programs, from the first to the last. As a context manager it leaves none behind."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._programs: list[Program] = []
        self._stopping = False

    def __enter__(self) -> "Supervisor":
        adopt_orphans()
        self._handlers = {number: signal.signal(number, self._stop) for number in STOP_SIGNALS}
        self._logs.mkdir(parents=True, exist_ok=True)
        for old in self._logs.glob("*.log"):
            old.unlink()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._end([program.process for program in reversed(self._programs)])
        self._end_orphans()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def run(self, *arguments: str, shown: bool = False) -> None:
        """Run a command of `manage.py` to its end; `shown`: on our terminal instead of in its log.

        Raises StepFailedError unless it ends well, and like `wait_until`.
        """
        name = arguments[0]
        process = self._started(name, arguments, shown=shown)
        try:
            while process.poll() is None:
                self.pause()
        finally:
            self._end([process])
        if process.returncode:
            raise StepFailedError(f"`manage.py {name}` failed." + ("" if shown else self._log_tail(name)))

    def start(self, *arguments: str) -> None:
        """Start a command of `manage.py` that stays."""
        name = arguments[0]
        self._programs.append(Program(name, arguments, self._started(name, arguments)))

    def wait_until(self, is_ready: Callable[[], bool], name: str) -> None:
        """Wait for a program that was started.

        Raises StepFailedError when it takes too long or any program ends, StoppedError when we are told to stop.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not is_ready():
            if time.monotonic() > deadline:
                raise StepFailedError(f"{name} was not ready within {READY_TIMEOUT_S} s." + self._log_tail(name))
            self.pause()

    def watch(self, on_restart: Callable[[str], None]) -> None:
        """Until told to stop: start anew what ends, after the end of whatever it left behind."""
        while not self._stopping:
            for program in self._programs:
                if program.has_ended:
                    on_restart(program.name)
                    self._end_orphans()
                    time.sleep(RESTART_AFTER_S)
                    program.process = self._started(program.name, program.arguments)
            self._reap()
            time.sleep(POLL_S)

    def pause(self) -> None:
        """A moment's wait for something else. Raises StepFailedError when a program has ended, StoppedError."""
        if self._stopping:
            raise StoppedError
        for program in self._programs:
            if program.has_ended:
                raise StepFailedError(f"{program.name} ended unexpectedly." + self._log_tail(program.name))
        time.sleep(POLL_S)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _started(self, name: str, arguments: Sequence[str], *, shown: bool = False) -> subprocess.Popen[bytes]:
        setpriv = shutil.which("setpriv")
        die_with_us = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        command = [*die_with_us, sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
        with self._log(name).open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=settings.BASE_DIR,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=None if shown else log,
                stderr=None if shown else subprocess.STDOUT,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def _log_tail(self, name: str) -> str:
        with self._log(name).open(errors="replace") as log:
            lines = deque(log, LOG_LINES_SHOWN)
        return f" Its log, {self._log(name)}, ends with:\n{''.join(lines)}"

    # --- Ending

    def _end(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        """A SIGTERM to main processes alone: a cluster whose every process gets one hangs. Then a SIGKILL."""
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        for process in processes:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _end_orphans(self) -> None:
        """Kill what our programs left behind, generation after generation."""
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while (orphans := self._orphans()) and time.monotonic() < deadline:
            for orphan in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()
            time.sleep(0.02)
            self._reap()

    def _orphans(self) -> list[psutil.Process]:
        """Processes that have become ours by the death of their parents. PostgreSQL's keeper is spared."""
        ours = {program.process.pid for program in self._programs}
        orphans = []
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if child.pid not in ours and KEEPER not in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                    orphans.append(child)
        return orphans

    def _reap(self) -> None:
        """Free the dead whom we adopted; our own programs are left to their Popen."""
        ours = {program.process.pid for program in self._programs}
        for child in psutil.Process().children():
            with contextlib.suppress(ChildProcessError, psutil.NoSuchProcess):
                if child.pid not in ours and child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)


def free_port(preferred: int) -> int:
    """A port of this machine that nobody listens on: the preferred one if possible."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError), listener(port) as listening:
            return int(listening.getsockname()[1])
    raise StepFailedError("There is no free port on this machine.")


def listener(port: int) -> socket.socket:
    """Listen on a port. Raises OSError where somebody does already."""
    return socket.create_server(("127.0.0.1", port))

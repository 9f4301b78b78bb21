"""Keeps a cluster of processes whole: when one of them dies, all of it is ended and started again.

django-q2's cluster survives neither the death of a worker at the wrong moment (a queue's lock dies with it, and the
others wait for it for ever) nor a SIGTERM to its process group. It runs here in a session of its own, which is also how
its processes are known, orphans included; what one of them starts in another session, as the embedded PostgreSQL's
keeper, is not the cluster's and is left alone.
"""

import contextlib
import ctypes
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import psutil

STEP_S = 0.1
KILL_TIMEOUT_S = 10
PR_SET_CHILD_SUBREAPER = 36
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

logger = logging.getLogger(__name__)


def run_under_watchdog(
    argv: list[str],
    *,
    on_tick: Callable[[Sequence[psutil.Process]], None],
    on_end: Callable[[], None],
    tick_s: float = 1.0,
    restart_after_s: float = 1.0,
    stop_timeout_s: float = 35.0,
    max_rss_mb: int = 600,
) -> int:
    """Run the cluster `argv` until this process is told to stop (TERM, INT, HUP); must be called in the main thread.

    Every `tick_s` it calls `on_tick` with the cluster's processes, the main one first, and looks after them: one that
    has vanished means the end of all of them at once, one that holds more than `max_rss_mb` of memory an orderly end;
    either way, once none is left it calls `on_end`, and after `restart_after_s` the cluster is started again. An
    orderly end is a SIGTERM to the main process alone, and a SIGKILL to what is left `stop_timeout_s` later. Returns 0,
    with no process of the cluster left.
    """
    stopping = False
    processes: list[psutil.Process] = []

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    adopt_orphans()
    clock = _Ticks(lambda: on_tick(processes), tick_s)
    with _handling(stop):
        while not stopping:
            with _Cluster(argv) as cluster:
                broken: str | None = None
                too_big: str | None = None
                while not (stopping or broken or too_big):
                    clock.spend(tick_s, until=lambda: stopping)
                    broken = cluster.lost()
                    processes[:] = cluster.processes()
                    too_big = cluster.above(max_rss_mb)
                if broken or too_big:
                    logger.error("watchdog: restarting the cluster: %s", broken or too_big)
                if not broken:
                    cluster.terminate()
                    clock.spend(stop_timeout_s, until=cluster.has_ended)
            processes.clear()
            _surviving(on_end)
            if not stopping:
                clock.spend(restart_after_s, until=lambda: stopping)
    return 0


def adopt_orphans() -> None:
    """Become the parent of descendants whose parent has died, so that they can be seen and reaped (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextlib.contextmanager
def _handling(stop: Callable[..., None]) -> Iterator[None]:
    before = {number: signal.signal(number, stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _surviving(act: Callable[[], None]) -> None:
    """What can't be noted just now is no reason to leave the cluster without its watchdog."""
    try:
        act()
    except Exception as error:
        logger.exception("watchdog: tick failed: %s", type(error).__name__)


class _Ticks:
    """Calls `on_tick` every `tick_s` while time is spent, whatever it is spent on."""

    def __init__(self, on_tick: Callable[[], None], tick_s: float) -> None:
        self._on_tick = on_tick
        self._tick_s = tick_s
        self._next = time.monotonic()

    def spend(self, seconds: float, *, until: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while not until() and (now := time.monotonic()) < end:
            if now >= self._next:
                self._next = now + self._tick_s
                _surviving(self._on_tick)
            time.sleep(min(STEP_S, self._tick_s))


class _Cluster:
    """The processes of one start: those of the session that the main process leads. None is left after the block."""

    def __init__(self, argv: list[str]) -> None:
        setpriv = shutil.which("setpriv")
        die_with_us = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
        self._main = subprocess.Popen([*die_with_us, *argv], stdin=subprocess.DEVNULL, start_new_session=True)
        self._known: set[psutil.Process] = set()

    def __enter__(self) -> "_Cluster":
        return self

    def __exit__(self, *_: object) -> None:
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while (left := self._alive()) and time.monotonic() < deadline:
            for process in left:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.02)
            self._reap()
        self._main.wait()
        self._reap()

    def lost(self) -> str | None:
        """Which processes have vanished since they were last seen, in words."""
        self._reap()
        alive = self._alive()
        gone = {process.pid for process in self._known - alive if _has_ended(process)}
        if self.has_ended():
            gone.add(self._main.pid)
        self._known = alive  # without those that began a session of their own
        return f"processes {sorted(gone)} have vanished" if gone else None

    def processes(self) -> list[psutil.Process]:
        """Those that were last seen, the main one first."""
        return sorted(self._known, key=lambda process: (process.pid != self._main.pid, process.pid))

    def above(self, max_rss_mb: int) -> str | None:
        """Which process holds more memory than it may, in words."""
        for process in self._known:
            with contextlib.suppress(psutil.NoSuchProcess):
                if (rss_mb := process.memory_info().rss / 2**20) > max_rss_mb:
                    return f"process {process.pid} holds {rss_mb:.0f} MB, above {max_rss_mb} MB"
        return None

    def terminate(self) -> None:
        self._main.terminate()

    def has_ended(self) -> bool:
        return self._main.poll() is not None

    def _alive(self) -> set[psutil.Process]:
        found = set()
        for pid in psutil.pids():
            with contextlib.suppress(ProcessLookupError, PermissionError, psutil.NoSuchProcess):
                if os.getsid(pid) == self._main.pid:
                    process = psutil.Process(pid)
                    if not _has_ended(process):
                        found.add(process)
        return found

    def _reap(self) -> None:
        """Free the dead whom we adopted; the main process is left to its Popen."""
        for child in psutil.Process().children():
            with contextlib.suppress(ChildProcessError, psutil.NoSuchProcess):
                if child.pid != self._main.pid and child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)


def _has_ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

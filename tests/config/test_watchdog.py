"""Real processes: a small cluster that stands for django-q2's, under a watchdog that runs in a process of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]

CLUSTER = """
import multiprocessing, os, signal, subprocess, sys, time
from pathlib import Path

here, manner = Path(sys.argv[1]), sys.argv[2]
first = not (here / "runs").exists()
end = multiprocessing.Event()

def note(text):
    with (here / "notes").open("a") as notes:
        notes.write(text + "\\n")

def child():
    signal.signal(signal.SIGTERM, lambda *_: note("a child was told to stop"))
    hoard = bytearray(120 * 2**20) if first and manner == "hoards" else None
    while not end.is_set():
        time.sleep(0.02)

children = [multiprocessing.Process(target=child) for _ in range(2)]
for process in children:
    process.start()
stop = False

def told(*_):
    global stop
    stop = manner != "deaf"

signal.signal(signal.SIGTERM, told)
if manner == "with a guest":
    guest = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    (here / "guest").write_text(str(guest.pid))
with (here / "runs").open("a") as runs:
    runs.write(" ".join(map(str, [os.getpid(), *(process.pid for process in children)])) + "\\n")
while not stop:
    time.sleep(0.02)
end.set()
for process in children:
    process.join()
note("ended in order")
"""

WATCHDOG = """
import logging, sys
from pathlib import Path
from config.watchdog import run_under_watchdog
logging.basicConfig()
here, program, manner = sys.argv[1:]
def tick(processes):
    with (Path(here) / "ticks").open("a") as ticks:
        ticks.write(".")
    (Path(here) / "seen").write_text(" ".join(str(each.pid) for each in processes))
    if manner == "fails to tick":
        raise LookupError("no heart")
def end():
    with (Path(here) / "ends").open("a") as ends:
        ends.write(".")
sys.exit(run_under_watchdog(
    [sys.executable, "-c", program, here, manner],
    on_tick=tick, on_end=end, tick_s=0.1, restart_after_s=0.1, stop_timeout_s=1, max_rss_mb=100,
))
"""


class Watched:
    def __init__(self, here: Path) -> None:
        self.here = here
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, manner: str = "plain") -> "Watched":
        command = [sys.executable, "-c", WATCHDOG, str(self.here), CLUSTER, manner]
        with (self.here / "log").open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stderr=log)
        return self

    def run(self, number: int) -> list[psutil.Process]:
        """The main process and its two children of the cluster's n-th start, once it is up."""
        until(lambda: self.read("runs").count("\n") >= number)
        return [psutil.Process(int(pid)) for pid in self.read("runs").splitlines()[number - 1].split()]

    def await_look(self) -> None:
        """Until the watchdog has seen the cluster as it is now."""
        ticks = len(self.read("ticks"))
        until(lambda: len(self.read("ticks")) > ticks + 2)

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        assert self.process
        self.process.send_signal(sent)
        return self.process.wait(10)

    def read(self, name: str) -> str:
        path = self.here / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    watched = Watched(tmp_path)
    yield watched
    if watched.process and watched.process.poll() is None:
        watched.stop()
    left = [process for process in psutil.process_iter(["cmdline"]) if str(tmp_path) in (process.info["cmdline"] or [])]
    for process in left:
        process.kill()
    assert not left


def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it didn't come true in time"
        time.sleep(0.02)


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("victim", [0, 1], ids=["the main process", "a child"])
def test_a_death_in_the_cluster_ends_all_of_it_and_starts_it_anew(watched: Watched, victim: int) -> None:
    first = watched.start().run(1)
    watched.await_look()
    first[victim].kill()
    second = watched.run(2)
    assert all(has_ended(process) for process in first)
    assert not any(has_ended(process) for process in second)
    assert "ended in order" not in watched.read("notes")
    assert watched.read("ends") == "."
    until(lambda: watched.read("seen") == " ".join(str(process.pid) for process in second))
    assert f"{first[victim].pid}] have vanished" in watched.read("log")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_told_to_stop_it_tells_the_main_process_alone_and_waits(watched: Watched, sent: signal.Signals) -> None:
    cluster = watched.start().run(1)
    assert watched.stop(sent) == 0
    assert watched.read("notes") == "ended in order\n"
    assert watched.read("ends") == "."
    assert all(has_ended(process) for process in cluster)


def test_a_cluster_that_does_not_stop_is_killed(watched: Watched) -> None:
    cluster = watched.start("deaf").run(1)
    assert watched.stop() == 0
    assert "ended in order" not in watched.read("notes")
    assert all(has_ended(process) for process in cluster)


def test_a_stop_during_a_start_leaves_nothing(watched: Watched) -> None:
    watched.start()
    until(lambda: watched.read("ticks") != "")
    assert watched.stop() == 0


def test_a_process_that_takes_too_much_memory_means_an_orderly_restart(watched: Watched) -> None:
    watched.start("hoards").run(2)
    assert watched.read("notes") == "ended in order\n"
    assert "above 100 MB" in watched.read("log")


def test_a_tick_that_fails_is_told_and_the_next_ones_come(watched: Watched) -> None:
    cluster = watched.start("fails to tick").run(1)
    watched.await_look()
    assert not any(has_ended(process) for process in cluster)
    assert "tick failed: LookupError" in watched.read("log")


def test_ticks_go_on_while_the_cluster_is_being_ended(watched: Watched) -> None:
    watched.start("deaf").run(1)
    ticks = len(watched.read("ticks"))
    watched.stop()
    assert len(watched.read("ticks")) >= ticks + 4


def test_what_a_process_started_in_another_session_is_left_alone(watched: Watched) -> None:
    first = watched.start("with a guest").run(1)
    guest = psutil.Process(int(watched.read("guest")))
    watched.await_look()
    first[1].kill()
    watched.run(2)
    assert not has_ended(guest)
    watched.stop()
    for process in [guest, psutil.Process(int(watched.read("guest")))]:
        process.kill()


def test_the_cluster_ends_in_order_when_the_watchdog_is_killed(watched: Watched) -> None:
    cluster = watched.start().run(1)
    watched.stop(signal.SIGKILL)
    until(lambda: all(has_ended(process) for process in cluster))
    assert watched.read("notes") == "ended in order\n"

"""The supervisor, in a process of its own, over small programs that stand for the demo's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from config.demo.processes import free_port, listener
from tests.config.programs import ROOT, await_that

# It stands where `manage.py` does: the first argument says in which manner it runs, the second one where it writes.
MANAGE = """
import os, signal, subprocess, sys, time
from pathlib import Path

manner, here = sys.argv[1], Path(sys.argv[2])
with (here / manner).open("a") as notes:
    notes.write(f"{os.getpid()}\\n")
if manner == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if manner == "parent":
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    (here / "orphan").write_text(str(orphan.pid))
if manner == "failing":
    sys.exit("no luck today")
if manner != "short":
    time.sleep(60)
"""

SUPERVISOR = """
import os, sys
from pathlib import Path
import django
from django.conf import settings
django.setup()
here, scene = Path(sys.argv[1]), sys.argv[2]
settings.BASE_DIR = here
from config.demo import processes
processes.STOP_TIMEOUT_S = 1
processes.READY_TIMEOUT_S = 1
try:
    with processes.Supervisor(here / "log", {"TOLD": "yes"}) as programs:
        exec(scene)
except processes.StepFailedError as error:
    print(error)
except processes.StoppedError:
    print("stopped")
"""


class Demo:
    def __init__(self, here: Path, scene: str) -> None:
        self.here = here
        (here / "manage.py").write_text(MANAGE)
        scene = scene.replace("HERE", repr(str(here)))
        command = [sys.executable, "-c", SUPERVISOR, str(here), scene]
        environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings"}
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)

    def pids(self, manner: str) -> list[int]:
        """The processes that ran in a manner, in order."""
        path = self.here / manner
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []

    def await_running(self, manner: str, times: int = 1) -> int:
        await_that(lambda: len(self.pids(manner)) >= times, within_s=30)
        return self.pids(manner)[-1]

    def outcome(self) -> str:
        """What it said until its end."""
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[[str], Demo]]:
    """Start a supervisor for a scene; whatever is left of it at the end is a failure."""
    started: list[Demo] = []

    def start(scene: str) -> Demo:
        started.append(Demo(tmp_path, scene))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()
    await_that(lambda: not _left(tmp_path), within_s=10)


def _left(here: Path) -> list[int]:
    pids = [
        int(line) for path in here.iterdir() if path.is_file() and path.name != "manage.py" for line in _lines(path)
    ]
    return [pid for pid in pids if _runs(pid)]


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.isdigit()]


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_left_when_it_is_told_to_stop(demo: Callable[[str], Demo], number: signal.Signals):
    scene = demo("programs.start('stays', HERE); programs.start('parent', HERE); programs.watch(print)")
    stays, orphan = scene.await_running("stays"), scene.await_running("orphan")
    scene.process.send_signal(number)
    scene.process.wait(15)
    assert not _runs(stays)
    assert not _runs(orphan)


def test_its_programs_end_with_it_even_if_it_is_killed(demo: Callable[[str], Demo]):
    scene = demo("programs.start('stays', HERE); programs.watch(print)")
    pid = scene.await_running("stays")
    scene.process.send_signal(signal.SIGKILL)
    await_that(lambda: not _runs(pid), within_s=5)


def test_what_does_not_listen_is_killed(demo: Callable[[str], Demo]):
    scene = demo("programs.start('deaf', HERE); programs.watch(print)")
    pid = scene.await_running("deaf")
    time.sleep(0.3)  # it has to have become deaf
    scene.process.send_signal(signal.SIGTERM)
    scene.outcome()
    assert not _runs(pid)


def test_what_dies_is_started_again_after_the_end_of_its_orphans(demo: Callable[[str], Demo]):
    scene = demo("programs.start('parent', HERE); programs.watch(lambda name: print(name, flush=True))")
    first, orphan = scene.await_running("parent"), scene.await_running("orphan")
    os.kill(first, signal.SIGKILL)
    scene.await_running("parent", times=2)
    assert not _runs(orphan)
    scene.process.send_signal(signal.SIGINT)
    assert scene.outcome() == "parent\n"


def test_a_step_that_fails_is_told_with_the_end_of_its_log(demo: Callable[[str], Demo]):
    said = demo("programs.start('stays', HERE); programs.run('failing', HERE)").outcome()
    assert "`manage.py failing` failed." in said
    assert "no luck today" in said


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        ("programs.start('short', HERE); programs.wait_until(lambda: False, 'short')", "short ended unexpectedly."),
        (
            "programs.start('stays', HERE); programs.wait_until(lambda: False, 'stays')",
            "stays was not ready within 1 s",
        ),
    ],
)
def test_what_does_not_come_up_is_told(demo: Callable[[str], Demo], scene: str, said: str):
    assert said in demo(scene).outcome()


def test_a_signal_ends_a_step_that_takes_long(demo: Callable[[str], Demo]):
    scene = demo("programs.run('stays', HERE, shown=True)")
    scene.await_running("stays")
    scene.process.send_signal(signal.SIGINT)
    assert scene.outcome() == "stopped\n"


def test_a_port_that_is_taken_is_not_free():
    with listener(0) as taken:
        port = int(taken.getsockname()[1])
        assert free_port(port) != port
        with pytest.raises(OSError, match="Address already in use"):
            listener(port)
    assert free_port(port) == port

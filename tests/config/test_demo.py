"""The whole demo, small, in a copy of the project: with a PostgreSQL, a sandbox, workers and a web of its own."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from config.demo.http import call
from config.demo.processes import free_port
from config.management.commands.demo import environment as environment_of_its_programs
from tests.config.programs import ROOT, await_that

PARTS = ("config", "affiliates", "platforms", "campaigns", "reconciliation", "alerts", "templates", "static")
SMALL = ("--days", "1", "--posts", "12")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy, so that neither this checkout's data nor a demo of somebody who tests is touched."""
    copy = tmp_path_factory.mktemp("checkout")
    for part in PARTS:
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", copy)
    return copy


def environment() -> dict[str, str]:
    """As on a bare machine: nothing said of databases, and nobody measures what runs in the copy."""
    return {name: text for name, text in os.environ.items() if name != "DATABASE_URL" and "COV" not in name}


@contextmanager
def demo(checkout: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A running `manage.py demo`; whatever is left of it afterwards is a failure."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "demo", *options],
        cwd=checkout,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
        await_that(lambda: not processes_of(checkout), within_s=20)


def processes_of(checkout: Path) -> list[str]:
    """The command lines of processes that have to do with the copy."""
    found = []
    for process in psutil.process_iter():
        try:
            command, where = " ".join(process.cmdline()), process.cwd()
        except psutil.Error:
            continue
        if str(checkout) in command or where.startswith(str(checkout)):
            found.append(f"{process.pid} {process.status()} {command}")
    return found


def manage(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment(), capture_output=True, text=True, timeout=120)


def fields(said: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)


def test_its_programs_ask_nobody_else_whatever_this_machine_is_told():
    told = set(re.findall(r"^# ([A-Z_]+_URL)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    elsewhere = told - {"DATABASE_URL", "DATABASE_DIRECT_URL", "REDIS_URL", "SANDBOX_URL"}
    given = environment_of_its_programs("http://127.0.0.1:1")
    assert len(elsewhere) > 15
    assert {name for name in elsewhere if given.get(name) != ""} == set()


def test_once_it_shows_one_claim_and_leaves_nothing(checkout: Path):
    with demo(checkout, "--once", "--port", str(free_port(0)), *SMALL) as process:
        said = process.communicate(timeout=240)[0]
        assert process.returncode == 0, said
        assert not processes_of(checkout)
    shown = fields(said)
    assert shown["verdict"] == "DISCREPANCY HIGH"
    truth = int(shown["truth"].removesuffix(" views").replace(",", ""))
    assert shown["claim"] == f"{truth * 140 // 100:,} views"
    assert "40.00 % over, above the 20 % limit" in shown["explanation"]
    assert shown["alert"] == "high, open"
    assert shown["trust"].endswith("accurate)")
    assert "s from the claim to its verdict" in shown["took"]
    assert {"staff", "manager", "viewer", "affiliate"} <= set(shown)
    assert "/connections/ as the affiliate: allow it for " in shown["connections"]


def test_it_serves_with_what_it_hands_out_until_even_kill_9_and_leaves_nothing(checkout: Path):
    handout = checkout / "var" / "demo.json"
    handout.unlink(missing_ok=True)
    with demo(checkout, "--port", str(free_port(0)), *SMALL) as process:
        await_that(lambda: handout.exists() or process.poll() is not None, within_s=240)
        assert handout.exists(), process.communicate()[0]
        assert stat.S_IMODE(handout.stat().st_mode) == 0o600
        given = json.loads(handout.read_text())
        assert call("GET", f"{given['base_url']}/health").ok
        listed = call("GET", f"{given['base_url']}/api/v1/alerts", key=given["manager"]["api_key"])
        assert listed.json()["results"][0]["severity"] == "high"

        post = given["posts"][0]
        where = ("--base-url", given["base_url"], "--api-key", given["affiliates"][5]["api_key"])
        what = ("--campaign", post["campaign_id"], "--platform", post["platform"], "--url", post["url"])
        submitted = manage(checkout, "submit", *where, *what, "--views", "1")
        assert fields(submitted.stdout)["verdict"] == "MATCHED", submitted.stderr
        again = manage(checkout, "demo", "--port", str(free_port(0)))
        assert (again.returncode, again.stderr.strip()) == (
            1,
            "CommandError: A demo of this checkout is running already.",
        )

        process.send_signal(signal.SIGKILL)
        process.wait()
        await_that(lambda: not processes_of(checkout), within_s=20)


def test_a_port_that_is_taken_is_said_plainly(checkout: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = manage(checkout, "demo", "--port", port)
    assert refused.returncode == 1
    assert f"Port {port} is taken" in refused.stderr

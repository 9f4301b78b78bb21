"""Real workers while whatever can die does: see `cluster`, which is a program of its own."""

import os
import subprocess
import sys

import pytest

from tests.config.programs import ROOT

SEED = os.environ.get("CHAOS_SEED", "1")


def run(*options: str, shown: bool = False) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "tests.chaos.cluster", "--seed", SEED, *options]
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        stdout=None if shown else subprocess.PIPE,
        stderr=None if shown else subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout


def test_500_claims_survive_whatever_dies():
    run("--claims", "500", "--drained-within-s", "150")  # a busy machine is no failure


@pytest.mark.chaos
def test_10_000_claims_survive_whatever_dies():
    run("--claims", "10000", shown=True)

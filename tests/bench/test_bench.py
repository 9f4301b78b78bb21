"""Every measurement runs, at a size that says nothing about speed."""

from math import isfinite
from pathlib import Path

import pytest
from rich.progress import Progress

from tests.bench import __main__ as bench
from tests.bench import report
from tests.bench.harness import TINY, Bench, at_least


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", bench.MODULES)
def test_it_finds_a_figure_for_each_row(name: str):
    found = bench.measure(TINY, [name])
    assert found.rows
    for row in found.rows:
        assert row.value is not None, row.what
        assert isfinite(row.value), row.what


@pytest.mark.django_db
def test_the_page_says_what_was_measured_and_on_what(tmp_path: Path):
    found = Bench(TINY, Progress(disable=True), tmp_path)
    found.compare("settle 10 pairs, to the floor", [30, 10, 20], [60, 40, 20], "/s", at_least(0.5))
    found.compare("submitting, to the rival", [1, 1, 1], [4, 4, 4], "/s", at_least(0.4))
    found.listings["The slowest"] = ["`GET /`: 3 ms"]
    page = tmp_path / "benchmarks.md"
    report.write(found, report.facts(), page)
    told = page.read_text()
    assert "| settle 10 pairs, to the floor | 20/s | 40/s | 0.5 | ≥ 0.5 |  | yes |" in told
    assert "| submitting, to the rival | 1/s | 4/s | 0.25 | ≥ 0.4 |  | **no** |" in told
    assert "fsync on, synchronous_commit on" in told
    assert "- `GET /`: 3 ms" in told

"""A file of real size, imported by the command as a process of its own: its memory, its progress, once more, and its
end at any moment."""

import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaigns.models import Post
from config import clock
from reconciliation.models import AffiliateReport, Import, Job
from reconciliation.services import importing
from tests.config.programs import ROOT, await_that, database_url, running
from tests.factories import AffiliateFactory, CampaignFactory, UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("today")]

MOST_MB = 300


def imported(path: Path, by: str) -> tuple[str, float]:
    """What the command printed, and the most memory in MB that it held."""
    measured = (
        "import re, runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path('manage.py', run_name='__main__')\n"
        "finally: print('KB', re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    command = [sys.executable, "-c", measured, "manage.py", "import_claims", str(path), "--by", by]
    environment = os.environ | {"DATABASE_URL": database_url()}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return done.stdout, int(re.findall(r"KB (\d+)", done.stdout)[0]) / 1024


def claims_file(path: Path, rows: int) -> Path:
    affiliates = AffiliateFactory.create_batch(20)
    campaign = CampaignFactory(starts_on="2020-01-01", ends_on="2100-12-31")
    with path.open("w") as file:
        file.write("affiliate,campaign,url,claimed_views,title\n")
        for n in range(rows):
            who = affiliates[n % 20].user.email
            file.write(f"{who},{campaign.name},https://www.youtube.com/watch?v=a{n:010d},{n},Post {n}\n")
    return path


@pytest.mark.parametrize("rows", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_large_file_is_imported_in_bounded_memory_and_again_as_a_no_op(tmp_path, rows):
    boss = UserFactory(is_staff=True)
    path = claims_file(tmp_path / "claims.csv", rows)
    for outcome in ("new post", "unchanged"):
        printed, memory_mb = imported(path, boss.email)
        assert f"Imported: {rows // 10:,} of {rows:,}" in printed or rows < 5_000
        assert f"Imported. Rows: {outcome} {rows:,}." in printed
        assert memory_mb < MOST_MB
        counts = (Post.objects.count(), AffiliateReport.objects.count(), Job.objects.count())
        assert counts == (rows, rows, rows)


@pytest.mark.parametrize("take", ["good", "all"])
def test_what_a_killed_command_began_is_finished_by_a_worker(tmp_path, take):
    rows, boss = 5_000, UserFactory(is_staff=True)
    path = claims_file(tmp_path / "claims.csv", rows)
    begins = Import.objects.filter(state="applying", lease__isnull=False, rows_done__gte=500 * (take == "good"))
    arguments = ("import_claims", str(path), "--by", boss.email, "--rows", take)
    with running(*arguments, log=tmp_path / "log") as process:
        await_that(begins.exists, within_s=60)
        time.sleep(0.1)
        process.kill()
    begun = Post.objects.count()
    assert begun == 0 if take == "all" else 0 < begun < rows
    [sent] = Import.objects.all()
    with clock.at(datetime.now(UTC) + 2 * importing.LEASE):
        assert importing.sweep() == 1
        while importing.work(import_id=sent.pk):
            pass
    sent.refresh_from_db()
    assert (sent.state, sent.outcomes) == ("applied", {"new_post": rows})
    assert (Post.objects.count(), AffiliateReport.objects.count(), Job.objects.count()) == (rows, rows, rows)

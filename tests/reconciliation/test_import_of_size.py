"""A file of real size, imported by the command as a process of its own: its memory, its progress, and once more."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from campaigns.models import Post
from reconciliation.models import AffiliateReport, Job
from tests.config.programs import ROOT, database_url
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


@pytest.mark.parametrize("rows", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_large_file_is_imported_in_bounded_memory_and_again_as_a_no_op(tmp_path, rows):
    affiliates = AffiliateFactory.create_batch(20)
    campaign = CampaignFactory(starts_on="2020-01-01", ends_on="2100-12-31")
    boss = UserFactory(is_staff=True)
    path = tmp_path / "claims.csv"
    with path.open("w") as file:
        file.write("affiliate,campaign,url,claimed_views,title\n")
        for n in range(rows):
            who = affiliates[n % 20].user.email
            file.write(f"{who},{campaign.name},https://www.youtube.com/watch?v=a{n:010d},{n},Post {n}\n")
    for outcome in ("new post", "unchanged"):
        printed, memory_mb = imported(path, boss.email)
        assert f"Imported: {rows // 10:,} of {rows:,}" in printed or rows < 5_000
        assert f"Imported. Rows: {outcome} {rows:,}." in printed
        assert memory_mb < MOST_MB
        counts = (Post.objects.count(), AffiliateReport.objects.count(), Job.objects.count())
        assert counts == (rows, rows, rows)

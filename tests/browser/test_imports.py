"""A manager sends a file and watches it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from config.demo.seeding import run_queued_tasks

pytestmark = pytest.mark.browser


def test_a_file_shows_its_progress_and_its_rows_by_itself(stage, log_in: Callable[[Any], Page], tmp_path):
    rows = (
        f"affiliate,campaign,url,claimed_views\n{stage.mila.pk},{stage.campaign.name},https://youtu.be/00000000001,5\n"
    )
    path = tmp_path / "week-46.csv"
    path.write_text(rows)
    page = log_in(stage.manager)
    page.goto(reverse("dashboard:campaigns"))
    page.get_by_role("link", name="Import claims").click()
    page.get_by_label("File", exact=True).set_input_files(path)
    page.get_by_role("button", name="Check the file").click()
    expect(page.get_by_text("Being checked.")).to_be_visible()
    run_queued_tasks()
    expect(page.get_by_text("All 1 row can be taken.")).to_be_visible()
    page.get_by_role("button", name="Import all rows").click()
    expect(page.get_by_text("Being imported.")).to_be_visible()
    run_queued_tasks()
    expect(page.get_by_text("What became of each row stands below.")).to_be_visible()
    page.get_by_role("link", name="Line 2").click()
    page.wait_for_url("**/posts/**")

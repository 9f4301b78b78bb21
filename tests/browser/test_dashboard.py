"""What an advertiser's people do, in a browser."""

import re
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, expect

from alerts.models import Alert
from campaigns.models import Campaign
from tests.factories import PASSWORD

pytestmark = pytest.mark.browser


def test_a_manager_makes_a_campaign_and_activates_it(stage, log_in):
    page = log_in(stage.manager)
    page.get_by_role("link", name="New campaign").click()
    page.get_by_label("Name", exact=True).fill("Winter Soups")
    page.get_by_label("Market").select_option(label="United States (US)")
    expect(page.locator("#system-name")).to_have_text("NWB_US_MULTI_2026_WinterSoups")
    rate = page.get_by_label("Per 1,000 views").last
    expect(rate).to_be_hidden()
    page.get_by_label("YouTube").check()
    rate.fill("-1")
    page.get_by_label("Medium from, %").fill("2")
    page.get_by_role("button", name="Make the campaign").click()
    expect(page.get_by_text("Ensure this value is greater than or equal to 0.")).to_be_visible()
    assert not Campaign.objects.filter(campaign_name="Winter Soups").exists()
    rate.fill("12")
    page.get_by_role("button", name="Make the campaign").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Winter Soups")
    expect(page.get_by_text("Medium from 2 %")).to_be_visible()
    page.get_by_role("button", name="Activate").click()
    expect(page.get_by_text("Winter Soups is active.")).to_be_visible()


def test_filters_change_the_table_and_the_address_and_the_way_back_works(stage, log_in):
    page = log_in(stage.viewer)
    page.get_by_role("link", name="Autumn Bowls", exact=True).click()
    rows = page.locator("#posts tbody tr")
    expect(rows).to_have_count(9)
    page.get_by_role("link", name="High 1").click()
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?verdict=high$"))
    expect(page.locator("#chip-verdict-high")).to_be_focused()
    page.locator("#posts").get_by_role("link", name=re.compile("^All ")).click()
    expect(rows).to_have_count(9)
    page.get_by_role("searchbox").fill("anders")
    page.keyboard.press("Enter")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile("q=anders"))
    page.go_back()
    expect(rows).to_have_count(9)
    page.reload()
    expect(rows).to_have_count(9)


def test_a_menu_opens_by_keyboard_and_closes_by_escape(stage, log_in):
    page = log_in(stage.viewer)
    page.get_by_role("link", name="Autumn Bowls", exact=True).click()
    menu = page.locator("summary", has_text="Platform")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Reddit 1")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Reddit 1")).to_be_hidden()
    expect(menu).to_be_focused()


def test_a_manager_resolves_an_alert_with_a_note(stage, log_in):
    page = log_in(stage.manager)
    page.get_by_role("link", name="Autumn Bowls", exact=True).click()
    page.get_by_role("link", name="Mila Ortega on YouTube").click()
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("You are on it.")).to_be_visible()
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Say in a few words how this was resolved.")).to_be_visible()
    page.get_by_label("How was it resolved?").fill("Two videos were counted together.")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("The alert is resolved.")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main")).to_contain_text("Alerts 1")
    assert Alert.objects.get(status="resolved").resolution_note == "Two videos were counted together."


def test_a_viewer_sees_the_alert_and_no_way_to_decide(stage, log_in):
    page = log_in(stage.viewer)
    page.get_by_role("link", name="Alerts").first.click()
    page.get_by_role("link", name="The high post").click()
    expect(page.get_by_text("Managers decide on alerts")).to_be_visible()
    expect(page.get_by_role("button", name="Resolve")).to_have_count(0)


def test_reconcile_now_shows_its_progress_and_then_the_new_figures(stage, log_in, drain_all):
    page = log_in(stage.manager)
    page.get_by_role("link", name="Autumn Bowls", exact=True).click()
    expect(page.get_by_text("Waiting for its first look.")).to_be_visible()
    page.get_by_role("button", name="Reconcile now").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    drain_all()
    expect(page.get_by_text("9 of 9 posts looked at")).to_be_visible()
    expect(page.get_by_text("Waiting for its first look.")).to_have_count(0)


def test_completing_asks_first(stage, log_in):
    page = log_in(stage.manager)
    page.get_by_role("link", name="Autumn Bowls", exact=True).click()
    page.get_by_role("button", name="Complete…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Its 9 posts and their verdicts stay.")
    dialog.get_by_role("button", name="Cancel").click()
    assert Campaign.objects.get(pk=stage.campaign.pk).status == "active"
    page.get_by_role("button", name="Complete…").click()
    dialog.get_by_role("button", name="Complete it").click()
    expect(page.get_by_text("Autumn Bowls is completed.")).to_be_visible()


def test_everything_works_without_javascript(stage, base_url, browser: Browser, drain_all: Callable[[], int]):
    context = browser.new_context(java_script_enabled=False, base_url=base_url)
    page = context.new_page()
    page.goto("/login/")
    page.get_by_label("Email").fill(stage.manager.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.goto(reverse("dashboard:campaign", args=[stage.campaign.pk]))
    page.get_by_role("link", name="High 1").click()
    expect(page.locator("#posts tbody tr")).to_have_count(1)
    page.get_by_role("searchbox").fill("nothing like it")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    page.get_by_role("button", name="Reconcile now").click()
    drain_all()
    page.get_by_role("link", name="Refresh").click()
    expect(page.get_by_text("9 of 9 posts looked at")).to_be_visible()
    page.get_by_role("link", name="Alerts of this campaign").click()
    page.get_by_role("link", name="The high post").click()
    page.get_by_label("How was it resolved?").fill("Settled.")
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("The alert is resolved.")).to_be_visible()
    context.close()


def test_the_list_on_screen_is_taken_along_as_a_file(stage, log_in):
    page = log_in(stage.viewer)
    page.get_by_role("link", name="Autumn Bowls", exact=True).click()
    page.get_by_role("link", name="High 1").click()
    expect(page.locator("#posts tbody tr")).to_have_count(1)
    page.locator("summary", has_text="Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename == "posts-2026-11-20.csv"
    assert len(download.value.path().read_text("utf-8-sig").splitlines()) == 2
    expect(page.locator("#posts tbody tr")).to_have_count(1)


def test_what_exports_a_list_never_stands_in_a_row_of_its_own(stage, log_in):
    page = log_in(stage.manager)
    for address in ("/", reverse("dashboard:campaign", args=[stage.campaign.pk]), "/alerts/"):
        page.goto(address)
        export = page.locator(".export > summary")
        expect(export).to_be_visible()
        beside = page.locator(".filters").locator("a.chip, .menu:not(.export) > .chip, .button")
        for width in (360, 390, 640, 768, 960, 1024, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            own, *others = [each.bounding_box() for each in (export, *beside.all())]
            assert any(abs(own["y"] + own["height"] / 2 - each["y"] - each["height"] / 2) < 8 for each in others), width
            assert own["x"] + own["width"] <= width

"""An advertiser's managers send a file of claims on the dashboard, see what each row comes to, and decide."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from campaigns.models import Post
from config.demo.seeding import run_queued_tasks
from reconciliation.models import Import
from reconciliation.services import importing
from tests.factories import CampaignFactory, EnrolmentFactory, MembershipFactory, UserFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

IMPORTS = reverse("dashboard:imports")


@pytest.fixture
def campaign():
    return CampaignFactory()


@pytest.fixture
def manager(campaign):
    return client_of(MembershipFactory(advertiser=campaign.advertiser, role="manager").user)


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def claims(campaign, *views):
    affiliate = EnrolmentFactory(campaign=campaign).affiliate
    lines = [f"{affiliate.pk},{campaign.pk},https://youtu.be/{n:011d},{each}" for n, each in enumerate(views)]
    return "\n".join(["affiliate,campaign,url,claimed_views", *lines]).encode()


def send(client, content, name="claims.csv"):
    return client.post(IMPORTS, {"file": SimpleUploadedFile(name, content)})


def shown(client, address):
    return client.get(address).content.decode()


def test_a_manager_sends_a_file_and_imports_its_good_rows(manager, campaign):
    assert IMPORTS in shown(manager, reverse("dashboard:campaigns"))
    page = send(manager, claims(campaign, 5, "x", 7)).url
    assert 'hx-trigger="every 1s"' in shown(manager, page)
    run_queued_tasks()
    text = shown(manager, page)
    assert "hx-trigger" not in text.partition('id="import"')[2]
    assert "2 of 3 rows can be taken" in text
    assert "A whole number from 0" in text
    assert "Import all rows" not in text  # one is refused
    refused = shown(manager, f"{page}?outcome=refused")
    assert ("Line 3" in refused, "Line 2" in refused) == (True, False)
    assert not Post.objects.exists()
    manager.post(f"{page}good/")
    run_queued_tasks()
    assert (Import.objects.get().state, Post.objects.count()) == ("applied", 2)
    text = shown(manager, page)
    assert "Import the good rows" not in text
    assert all(reverse("dashboard:post", args=[post.pk]) in text for post in Post.objects.all())
    assert page in shown(manager, IMPORTS)


@pytest.mark.parametrize(("decision", "state", "posts"), [("all", "applied", 2), ("discard", "discarded", 0)])
def test_a_file_without_refusals_is_imported_as_a_whole_or_discarded(manager, campaign, decision, state, posts):
    page = send(manager, claims(campaign, 5, 7)).url
    run_queued_tasks()
    assert "Import all rows" in shown(manager, page)
    manager.post(f"{page}{decision}/")
    run_queued_tasks()
    assert (Import.objects.get().state, Post.objects.count()) == (state, posts)
    again = manager.post(f"{page}{decision}/", follow=True).content.decode()
    assert f"This file is {Import.objects.get().get_state_display().lower()}." in again


def test_what_is_too_much_as_a_whole_is_not_offered_so(manager, campaign, monkeypatch):
    monkeypatch.setattr(importing, "MAX_CHUNKS_AS_A_WHOLE", 0)
    page = send(manager, claims(campaign, 5)).url
    run_queued_tasks()
    text = shown(manager, page)
    assert ("Import all rows" in text, "Import the good rows" in text) == (False, True)


@pytest.mark.parametrize("content", [b"colour\nred\n", b"", b"affiliate,campaign,url\n"])
def test_what_is_no_table_is_said_beside_the_field(manager, content):
    answer = send(manager, content)
    assert answer.status_code == 422
    assert 'class="errors"' in answer.content.decode()
    assert manager.post(IMPORTS).status_code == 422
    assert not Import.objects.exists()


def test_others_neither_see_nor_decide(manager, campaign):
    page = send(manager, claims(campaign, 5)).url
    run_queued_tasks()
    other_manager = client_of(MembershipFactory(role="manager").user)
    assert page not in shown(other_manager, IMPORTS)
    for path in (page, f"{page}all/", f"{page}discard/"):
        assert other_manager.post(path).status_code in (404, 405)
    assert other_manager.get(page).status_code == 404
    for who in (MembershipFactory(advertiser=campaign.advertiser, role="analyst").user, UserFactory()):
        reader = client_of(who)
        assert [reader.get(IMPORTS).status_code, reader.get(page).status_code] == [403, 403]
        assert [send(reader, b"x").status_code, reader.post(f"{page}all/").status_code] == [403, 403]
    assert "Import claims" not in shown(reader, reverse("dashboard:campaigns"))
    assert Client().get(page).url.startswith("/login/")
    assert manager.post(f"{page}nothing/").status_code == 404
    assert Import.objects.get().state == "checked"


def test_staff_see_who_sent_which_file(manager, campaign):
    page = send(manager, claims(campaign, 5)).url
    staff = client_of(UserFactory(is_staff=True))
    email = Import.objects.get().created_by.email
    assert email in shown(staff, IMPORTS)
    assert email in shown(staff, page)

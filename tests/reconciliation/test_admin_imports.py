"""Staff send a file, see what each row comes to, and decide."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from campaigns.models import Post
from config.demo.seeding import run_queued_tasks
from reconciliation.models import Import
from tests.factories import AffiliateFactory, CampaignFactory
from tests.staff import client_for, superuser, with_permissions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

ADD = reverse("admin:reconciliation_import_add")


@pytest.fixture
def client():
    return client_for(superuser())


def send(client, content, name="claims.csv"):
    return client.post(ADD, {"kind": "claims", "file": SimpleUploadedFile(name, content)})


def act(client, page, action):
    return client.post(page, {"action": action}, follow=True)


def rows(*views):
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    lines = [f"{affiliate.pk},{campaign.pk},https://youtu.be/{n:011d},{each}" for n, each in enumerate(views)]
    return "\n".join(["affiliate,campaign,url,claimed_views", *lines]).encode()


def test_a_file_goes_from_the_list_to_its_rows(client):
    lists = ("reconciliation_affiliatereport", "campaigns_campaign", "affiliates_affiliate")
    for table, kind in zip(lists, ("claims", "campaigns", "affiliates"), strict=True):
        shown = client.get(reverse(f"admin:{table}_changelist")).content.decode()
        assert f'href="{ADD}?kind={kind}"' in shown
        assert f'<option value="{kind}" selected>' in client.get(f"{ADD}?kind={kind}").content.decode()
    sent = send(client, rows(5, "x", 7))
    page = sent.url
    waiting = client.get(page)
    assert waiting["Refresh"]
    assert "Import the good rows" not in waiting.content.decode()
    run_queued_tasks()
    found = client.get(page)
    text = found.content.decode()
    assert "Refresh" not in found
    assert "new post 2" in text
    assert "refused 1" in text
    assert "Import the good rows" in text
    assert "Import all rows" not in text  # one is refused
    assert not Post.objects.exists()
    act(client, page, "import_good")
    run_queued_tasks()
    assert (Import.objects.get().state, Post.objects.count()) == ("applied", 2)
    assert "Import the good rows" not in client.get(page).content.decode()


def test_a_file_without_refusals_may_be_imported_as_a_whole_or_not_at_all(client):
    for action, posts in (("discard", 0), ("import_all", 2)):
        page = send(client, rows(5, 7)).url
        run_queued_tasks()
        act(client, page, action)
        run_queued_tasks()
        assert Post.objects.count() == posts


def test_what_is_no_table_is_said_beside_the_field(client):
    answer = send(client, b"colour\nred\n")
    assert answer.status_code == 200
    assert "There is no column" in answer.content.decode()
    assert not Import.objects.exists()


def test_who_may_only_look_sends_nothing_and_decides_nothing(client):
    page = send(client, rows(5)).url
    run_queued_tasks()
    reader = client_for(with_permissions("reconciliation.view_import"))
    assert "Import all rows" not in reader.get(page).content.decode()
    assert send(reader, rows(5)).status_code == 403
    assert act(reader, page, "import_all").status_code == 403
    assert Import.objects.get().state == "checked"

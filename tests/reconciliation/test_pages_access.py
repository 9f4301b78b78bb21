"""Who may see and do what on the dashboard: Alice manages, Bob is on her team, Charlie must not learn of it."""

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.models import Campaign
from reconciliation.models import Run

pytestmark = pytest.mark.django_db

READ = ("campaign", "post")
WRITE = ("campaign-edit",)
ACTIONS = ("campaign-reconcile", "post-reconcile", "activate", "pause", "complete")


def _address(scene, name: str) -> str:
    if name in ("activate", "pause", "complete"):
        return reverse("dashboard:campaign-move", args=[scene.campaign.pk, name])
    pk = scene.posts["high"].pk if name.startswith("post") else scene.campaign.pk
    return reverse(f"dashboard:{name}", args=[pk])


def _client(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("name", [*READ, *WRITE, "campaigns", "discrepancies", "campaign-new", "system-name"])
def test_strangers_log_in_first(scene, client, name):
    address = _address(scene, name) if name in (*READ, *WRITE) else reverse(f"dashboard:{name}")
    answer = client.get(address)
    assert (answer.status_code, answer.url) == (302, f"/login/?next={address}")


@pytest.mark.parametrize("name", ACTIONS)
def test_strangers_change_nothing(scene, client, name):
    assert client.post(_address(scene, name)).url.startswith("/login/")
    assert not Run.objects.exists()
    assert Campaign.objects.get(pk=scene.campaign.pk).status == "active"


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("who", ["manager", "analyst", "viewer", "staff"])
def test_its_own_people_and_staff_see_it(scene, name, who):
    assert _client(getattr(scene, who)).get(_address(scene, name)).status_code == 200


@pytest.mark.parametrize("name", [*READ, *WRITE])
def test_others_do_not_learn_that_it_exists(scene, name):
    assert _client(scene.charlie).get(_address(scene, name)).status_code == 404
    assert _client(scene.anders.user).get(_address(scene, name)).status_code == 404


@pytest.mark.parametrize("name", ACTIONS)
def test_others_change_nothing(scene, name):
    for user in (scene.charlie, scene.anders.user):
        assert _client(user).post(_address(scene, name)).status_code == 404
    for user in (scene.analyst, scene.viewer):
        assert _client(user).post(_address(scene, name)).status_code == 403
    assert not Run.objects.exists()
    assert Campaign.objects.get(pk=scene.campaign.pk).status == "active"


@pytest.mark.parametrize("who", ["analyst", "viewer"])
def test_who_only_reads_sees_no_buttons_and_no_form(scene, who):
    client = _client(getattr(scene, who))
    page = client.get(_address(scene, "campaign")).content.decode()
    assert "Reconcile now" not in page
    assert "Edit" not in page
    assert client.get(_address(scene, "campaign-edit")).status_code == 403
    assert client.get(reverse("dashboard:campaign-new")).status_code == 403
    assert client.get(reverse("dashboard:system-name")).status_code == 403
    assert "New campaign" not in client.get("/").content.decode()


def test_the_lists_hold_ones_own_only(scene):
    assert "Autumn Bowls" in _client(scene.viewer).get("/").content.decode()
    assert "The high post" in _client(scene.viewer).get("/discrepancies/").content.decode()
    charlie = _client(scene.charlie)
    assert "Autumn Bowls" not in charlie.get("/").content.decode()
    assert "No current claim is over" in charlie.get("/discrepancies/").content.decode()


def test_an_affiliate_sees_their_own_posts_without_money_or_alerts(scene):
    client = _client(scene.mila.user)
    page = client.get("/").content.decode()
    assert "Claims are made through the API for now" in page
    assert "The high post" in page
    assert "The medium post" not in page  # Anders's
    post = client.get(_address(scene, "post")).content.decode()
    assert "Your posts" in post
    assert "Money at risk" not in post
    assert "Look again</button>" not in post
    assert "Needs a decision" not in post
    assert client.post(_address(scene, "post-reconcile")).status_code == 403


def test_who_belongs_nowhere_is_told_what_to_do(scene, django_user_model):
    nobody = django_user_model.objects.create_user("nobody@example.com", None)
    assert "Ask one of their managers" in _client(nobody).get("/").content.decode()


def test_a_run_is_for_the_eyes_of_who_asked(scene):
    _client(scene.manager).post(_address(scene, "campaign-reconcile"))
    address = reverse("dashboard:run", args=[Run.objects.get().pk])
    assert _client(scene.manager).get(address).status_code == 200
    assert _client(scene.viewer).get(address).status_code == 404
    page = _client(scene.viewer).get(f"{_address(scene, 'campaign')}?run={Run.objects.get().pk}")
    assert (page.status_code, 'id="run"' in page.content.decode()) == (200, False)


@pytest.mark.parametrize("name", ACTIONS)
def test_reading_an_action_does_nothing(scene, name):
    assert _client(scene.manager).get(_address(scene, name)).status_code == 405


def test_a_move_nobody_knows_is_not_there(scene):
    address = reverse("dashboard:campaign-move", args=[scene.campaign.pk, "explode"])
    assert _client(scene.manager).post(address).status_code == 404

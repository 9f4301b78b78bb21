"""API keys: what they look like, what is kept of them, and what opens nothing."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from affiliates import keys
from affiliates.models import ApiKey, AuditEvent
from affiliates.services import create_key, revoke_key
from config import clock
from tests.factories import TODAY, AdvertiserFactory, AffiliateFactory, CampaignFactory, UserFactory
from tests.hostile import assert_problem

ME = "/api/v1/affiliates/me"


def status_of(text, path=ME):
    return APIClient().get(path, headers={"authorization": f"Bearer {text}"}).status_code


@pytest.mark.parametrize(("livemode", "start"), [(True, "ck_live_"), (False, "ck_test_")])
def test_a_key_has_its_mode_a_prefix_and_256_secret_bits(livemode, start):
    key = keys.generate(livemode=livemode)
    assert key.text.startswith(start + key.prefix)
    assert len(key.text) == len(start) + 12 + 64
    assert keys.prefix_of(key.text) == key.prefix
    assert key.last4 == key.text[-4:]
    assert keys.matches(key.text, key.digest)
    assert not keys.matches(key.text[:-1] + "0" * (key.text[-1] != "0") + "1" * (key.text[-1] == "0"), key.digest)
    assert key.text != keys.generate(livemode=livemode).text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ck_live_",
        "ck_live_" + "g" * 76,
        "CK_LIVE_" + "0" * 76,
        "ck_demo_" + "0" * 76,
        "ck_live_" + "0" * 77,
        "ck_live_" + "٣" * 76,
    ],
)
def test_what_does_not_look_like_a_key_has_no_prefix(text):
    assert keys.prefix_of(text) is None


@pytest.mark.django_db
def test_only_the_digest_is_kept():
    _, text = create_key(user=AffiliateFactory().user, by=None)
    dump = StringIO()
    call_command("dumpdata", stdout=dump)
    assert text not in dump.getvalue()
    assert text[20:] not in dump.getvalue()
    assert keys.digest(text) in dump.getvalue()


@pytest.mark.django_db
def test_a_key_opens_until_it_is_revoked_and_revoking_is_recorded_once():
    user = AffiliateFactory().user
    key, text = create_key(user=user, by=user)
    assert status_of(text) == 200
    for _ in range(2):
        revoke_key(key=key, by=user)
    assert status_of(text) == 401
    events = AuditEvent.objects.filter(object_id=key.pk).order_by("created_at", "id")
    assert [event.action for event in events] == ["api_key.created", "api_key.revoked"]


@pytest.mark.django_db
@pytest.mark.usefixtures("today")
def test_a_key_opens_until_it_expires():
    key, text = create_key(user=AffiliateFactory().user, by=None)
    ApiKey.objects.filter(pk=key.pk).update(expires_at=TODAY + timedelta(hours=1))
    assert status_of(text) == 200
    with clock.at(TODAY + timedelta(hours=1)):
        assert status_of(text) == 401


@pytest.mark.django_db
def test_the_key_of_a_user_who_left_opens_nothing():
    user = AffiliateFactory().user
    _, text = create_key(user=user, by=None)
    user.is_active = False
    user.save()
    assert status_of(text) == 401


@pytest.mark.django_db
def test_unknown_wrong_and_revoked_keys_get_one_and_the_same_answer():
    user = AffiliateFactory().user
    _, text = create_key(user=user, by=user)
    revoked, revoked_text = create_key(user=user, by=user)
    revoke_key(key=revoked, by=user)
    wrong_secret = text[:-4] + ("0000" if text[-4:] != "0000" else "1111")
    answers = set()
    for given in (keys.generate(livemode=True).text, wrong_secret, revoked_text, "nonsense"):
        response = APIClient().get(ME, headers={"authorization": f"Bearer {given}"})
        document = assert_problem(response, 401)
        del document["request_id"]
        answers.add(json.dumps(document))
    assert len(answers) == 1


@pytest.mark.django_db
@pytest.mark.usefixtures("today")
def test_use_is_noted_at_most_once_a_minute():
    key, text = create_key(user=AffiliateFactory().user, by=None)
    noted = []
    for seconds in (0, 59, 61):
        with clock.at(TODAY + timedelta(seconds=seconds)):
            status_of(text)
            key.refresh_from_db()
            noted.append((key.last_used_at - TODAY).total_seconds())
    assert noted == [0, 0, 61]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("scopes", "reads", "writes"),
    [
        (("submit",), 200, 200),
        (("read",), 200, 403),
        (("submit", "read"), 200, 200),
        (("campaigns", "alerts"), 403, 403),
        ((), 403, 403),
    ],
)
def test_a_key_does_what_its_scopes_say(client_of, scopes, reads, writes):
    client = client_of(AffiliateFactory().user, scopes)
    assert client.get(ME).status_code == reads
    assert client.patch(ME, {"name": "Ann"}).status_code == writes


@pytest.mark.django_db
def test_a_scope_that_is_not_known_can_not_be_given():
    with pytest.raises(IntegrityError), transaction.atomic():
        create_key(user=UserFactory(), by=None, scopes=["everything"])


@pytest.mark.django_db
def test_a_key_sees_its_own_world_only(client_of):
    staff = UserFactory(is_staff=True)
    live = CampaignFactory()
    test = CampaignFactory(advertiser=AdvertiserFactory(livemode=False))
    for livemode, seen, unseen in ((True, live, test), (False, test, live)):
        client = client_of(staff, livemode=livemode)
        assert [row["id"] for row in client.get("/api/v1/campaigns").json()["results"]] == [str(seen.pk)]
        assert_problem(client.get(f"/api/v1/campaigns/{unseen.pk}"), 404)
    session = APIClient()
    session.force_login(staff)
    assert len(session.get("/api/v1/campaigns").json()["results"]) == 2

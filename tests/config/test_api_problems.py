"""Whatever goes wrong under /api/ is answered by a problem document, also where no view of ours is reached."""

import json
from unittest.mock import patch

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError, connection
from rest_framework.request import Request
from rest_framework.test import APIClient, APIRequestFactory

from config import views
from config.api.problems import exception_handler
from tests.factories import PASSWORD, AffiliateFactory, CampaignFactory, UserFactory
from tests.hostile import IDS, assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client_of):
    client = client_of(UserFactory(is_staff=True))
    client.raise_request_exception = False
    return client


@pytest.mark.parametrize(
    "path", ["/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v2/campaigns", "/api/v1/campaigns//"]
)
@pytest.mark.parametrize("method", ["get", "post", "put", "delete", "options"])
def test_an_unknown_address_is_not_found(staff, path, method):
    assert assert_problem(getattr(staff, method)(path), 404)["code"] == "not_found"
    assert_problem(getattr(APIClient(), method)(path), 404)


@pytest.mark.parametrize("given", IDS, ids=lambda text: text[:20])
@pytest.mark.parametrize("rest", ["", "/", "/activate", "/platforms/"])
def test_an_identifier_that_is_none_is_an_unknown_address(staff, given, rest):
    assert_problem(staff.get(f"/api/v1/campaigns/{given}{rest}"), 404)


def test_pages_keep_their_own_errors():
    page = APIClient().get("/nothing-here")
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize(
    ("method", "path"), [("delete", "/api/v1/campaigns"), ("put", "/api/v1/affiliates/"), ("post", "/api/schema/")]
)
def test_a_method_that_is_not_there_is_named(staff, method, path):
    response = getattr(staff, method)(path)
    assert assert_problem(response, 405)["code"] == "method_not_allowed"
    assert "GET" in response["Allow"]


def test_only_json_is_spoken(staff):
    assert_problem(staff.get("/api/v1/campaigns", headers={"accept": "text/html"}), 406)
    assert_problem(staff.get("/api/v1/campaigns?format=xml"), 404)
    assert staff.get("/api/v1/campaigns", headers={"accept": "text/html, */*;q=0.8"}).status_code == 200


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", "Bearer x", "Bearer ck_live_" + "0" * 76, "Bearer é", "Basic YTpi"]
)
def test_who_is_not_known_gets_401_and_is_told_how_to_come_in(given):
    response = APIClient().get("/api/v1/campaigns", headers={"authorization": given} if given is not None else {})
    assert_problem(response, 401)
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_fault_of_ours_is_a_problem_without_its_reason(staff):
    with patch("campaigns.api.views.CampaignFilter.on_platform", side_effect=RuntimeError("secret reason")):
        response = staff.get("/api/v1/campaigns?platform=x", headers={"X-Request-ID": "request-of-mine"})
    document = assert_problem(response, 500)
    assert (document["code"], document["request_id"]) == ("server_error", "request-of-mine")
    assert "secret reason" not in response.content.decode()


def test_a_wrong_host_is_a_bad_request():
    assert_problem(APIClient().get("/api/v1/campaigns", headers={"host": "evil.example"}), 400)
    assert APIClient().get("/", headers={"host": "evil.example"})["Content-Type"].startswith("text/html")


def test_what_django_itself_finds_too_large_is_413(rf):
    request = rf.post("/api/v1/campaigns")
    response = views.bad_request(request, RequestDataTooBig())
    assert (response.status_code, json.loads(response.content)["code"]) == (413, "body_too_large")


def test_a_fault_on_a_page_is_a_page(rf):
    request = rf.get("/somewhere")
    request.user = AnonymousUser()
    assert views.server_error(request)["Content-Type"].startswith("text/html")


def test_djangos_own_refusal_is_a_problem_too():
    response = exception_handler(PermissionDenied(), {"request": Request(APIRequestFactory().get("/"))})
    assert (response.status_code, response.data["code"]) == (403, "permission_denied")


def test_a_blank_body_is_an_empty_object(staff):
    campaign = CampaignFactory(status="paused")
    url = f"/api/v1/campaigns/{campaign.pk}/activate"
    assert staff.post(url, b" \n", content_type="application/json").status_code == 200


def test_one_field_is_named_by_its_path(staff):
    campaign = CampaignFactory()
    response = staff.put(
        f"/api/v1/campaigns/{campaign.pk}/platforms",
        {"platforms": [{"platform": "x"}, {"platform": "x", "rate_per_click": -1}]},
    )
    document = assert_problem(response, 400)
    assert [error["field"] for error in document["errors"]] == ["platforms[1].rate_per_click"]
    assert document["detail"].startswith("platforms[1].rate_per_click: ")


def test_a_session_needs_the_csrf_token_and_a_key_does_not(client_of):
    affiliate = AffiliateFactory()
    affiliate.user.set_password(PASSWORD)
    affiliate.user.save()
    browser = APIClient(enforce_csrf_checks=True)
    assert browser.login(email=affiliate.user.email, password=PASSWORD)
    assert browser.get("/api/v1/affiliates/me").status_code == 200
    assert_problem(browser.put("/api/v1/affiliates/me", {"name": "Ann"}), 403)
    token = browser.cookies["csrftoken"] = "a" * 32  # as any page with a form sets it
    assert browser.put("/api/v1/affiliates/me", {"name": "Ann"}, headers={"X-CSRFToken": token}).status_code == 200
    assert client_of(affiliate.user).put("/api/v1/affiliates/me", {"name": "Ann B"}).status_code == 200


def test_health_asks_the_database():
    assert APIClient().get("/health").json() == {"status": "ok"}
    assert APIClient().post("/health").status_code == 405
    with patch.object(connection, "cursor", side_effect=OperationalError("gone")):
        assert assert_problem(APIClient().get("/health"), 503)["code"] == "unavailable"


def test_who_calls_too_often_is_told_when_to_come_back(client_of, monkeypatch):
    monkeypatch.setattr("config.api.throttling.CallerThrottle.rate", "2/min", raising=False)
    client, other = client_of(AffiliateFactory().user), client_of(AffiliateFactory().user)
    assert [client.get("/api/v1/affiliates/me").status_code for _ in range(2)] == [200, 200]
    response = client.get("/api/v1/affiliates/me")
    assert assert_problem(response, 429)["code"] == "throttled"
    assert 1 <= int(response["Retry-After"]) <= 61
    assert other.get("/api/v1/affiliates/me").status_code == 200  # each key has its own count


def test_views_that_speak_other_formats_still_err_in_json():
    for path in ("/api/schema/", "/api/docs/"):  # YAML and HTML
        assert_problem(APIClient().delete(path), 405)

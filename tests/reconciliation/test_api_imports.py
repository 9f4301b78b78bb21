"""Files over the API: sent in a form, looked through, decided on."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from affiliates.models import Affiliate
from campaigns.models import Post
from config.demo.seeding import run_queued_tasks
from reconciliation.models import Import
from tests.factories import AffiliateFactory, CampaignFactory, EnrolmentFactory, MembershipFactory, UserFactory
from tests.hostile import assert_problem
from tests.reconciliation.support import rows as number_of_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

CLAIMS = "/api/v1/submissions/bulk"


@pytest.fixture
def staff(client_of):
    return client_of(UserFactory(is_staff=True))


@pytest.fixture
def campaign():
    return CampaignFactory()


def send(api, content, name="claims.csv", address=CLAIMS, **fields):
    return api.post(address, {"file": SimpleUploadedFile(name, content), **fields}, format="multipart")


def claims(campaign, affiliate, *views):
    lines = [f"{affiliate.pk},{campaign.pk},https://youtu.be/{n:011d},{each}" for n, each in enumerate(views)]
    return "\n".join(["affiliate,campaign,url,claimed_views", *lines]).encode()


def test_a_manager_sends_a_file_and_imports_its_good_rows(client_of, campaign):
    affiliate = EnrolmentFactory(campaign=campaign).affiliate
    api = client_of(MembershipFactory(advertiser=campaign.advertiser, role="manager").user)
    taken = send(api, claims(campaign, affiliate, 5, "x", 7))
    assert taken.status_code == 202
    address = taken["Location"]
    assert (taken.json()["state"], taken.json()["rows_total"], taken.json()["size_bytes"] > 0) == (
        "checking",
        None,
        True,
    )
    run_queued_tasks()
    shown = api.get(address).json()
    assert (shown["state"], shown["rows_total"], shown["outcomes"]) == (
        "checked", 3, {"new_post": 2, "new_claim": 0, "created": 0, "unchanged": 0, "refused": 1},
    )  # fmt: skip
    [refused] = api.get(f"{address}/rows", {"outcome": "refused"}).json()["results"]
    assert (refused["line"], refused["field"], refused["is_done"]) == (3, "claimed_views", False)
    assert [row["line"] for row in api.get(f"{address}/rows").json()["results"]] == [2, 3, 4]
    assert assert_problem(api.post(f"{address}/apply", {"rows": "all"}), 422)["code"] == "rows_refused"
    assert api.post(f"{address}/apply", {"rows": "good"}).status_code == 202
    assert assert_problem(api.post(f"{address}/apply", {"rows": "good"}), 409)["code"] == "import_state"
    run_queued_tasks()
    assert (api.get(address).json()["state"], Post.objects.count()) == ("applied", 2)
    assert api.get("/api/v1/imports").json()["results"][0]["id"] == shown["id"]


def test_nothing_is_imported_of_a_file_that_is_discarded(staff, campaign):
    address = send(staff, claims(campaign, AffiliateFactory(), 5))["Location"]
    run_queued_tasks()
    assert staff.post(f"{address}/discard").json()["state"] == "discarded"
    assert not Post.objects.exists()


def test_affiliates_are_staffs_to_import(staff, client_of, campaign):
    content, address = b"name,email\nAnn,ann@example.com\n", "/api/v1/affiliates/bulk"
    manager = client_of(MembershipFactory(advertiser=campaign.advertiser, role="manager").user)
    assert_problem(send(manager, content, address=address), 403)
    sent = send(staff, content, address=address)["Location"]
    run_queued_tasks()
    staff.post(f"{sent}/apply", {"rows": "all"})
    run_queued_tasks()
    assert Affiliate.objects.get().name == "Ann"


def test_the_files_of_others_do_not_exist(staff, client_of, campaign):
    address = send(staff, claims(campaign, AffiliateFactory(), 5))["Location"]
    manager = client_of(MembershipFactory(advertiser=campaign.advertiser, role="manager").user)
    for path in (address, f"{address}/rows"):
        assert_problem(manager.get(path), 404)
    for path in (f"{address}/apply", f"{address}/discard"):
        assert_problem(manager.post(path, {"rows": "all"}), 404)
    assert manager.get("/api/v1/imports").json()["results"] == []


def bomb() -> bytes:
    """A workbook whose sheet unpacks to 2 GB of zeros."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", "<Types/>")
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            piece = b"0" * 2**20
            for _ in range(2048):
                sheet.write(piece)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "name", "status", "code"),
    [
        (b"", "claims.csv", 400, "empty"),
        (b"affiliate,campaign,url\n", "claims.csv", 422, "no_rows"),
        (b"a,b\n1,2\n", "claims.csv", 422, "unknown_column"),
        (b"affiliate,campaign,url\n1,2,3\n", "claims.exe", 422, "file_type_refused"),
        (b"affiliate,campaign,url\n1,2,3\n", "claims.xlsx", 422, "file_type_refused"),
        (b"PK\x03\x04nonsense", "claims.xlsx", 422, "file_malformed"),
        (b"\xff\xfea\x00", "claims.csv", 422, "file_malformed"),
        (b"affiliate,campaign,url\n1,\x00,3\n", "claims.csv", 422, "file_malformed"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(staff, content, name, status, code):
    before = number_of_rows()
    document = assert_problem(send(staff, content, name), status)
    assert (document["errors"][0]["field"], document["errors"][0]["code"]) == ("file", code)
    assert number_of_rows() == before


def test_two_gigabytes_of_zeros_are_not_unpacked(staff):
    assert_problem(send(staff, bomb(), "claims.xlsx"), range(413, 423))
    assert not Import.objects.exists()


def test_a_form_holds_one_file_and_nothing_else(staff, campaign, settings):
    content = claims(campaign, AffiliateFactory(), 5)
    assert_problem(send(staff, content, note="x"), 400)
    two = {"file": [SimpleUploadedFile("a.csv", content), SimpleUploadedFile("b.csv", content)]}
    assert_problem(staff.post(CLAIMS, two, format="multipart"), 400)
    assert_problem(staff.post(CLAIMS, {"file": "text"}, format="multipart"), 400)
    assert_problem(staff.post(CLAIMS, {}, format="multipart"), 400)
    assert_problem(staff.post("/api/v1/campaigns/bulk", {"file": "text"}, format="json"), 415)
    assert_problem(staff.post(CLAIMS, b"--x\r\n\r\n", content_type="multipart/form-data; boundary=x"), 400)
    assert_problem(staff.post(CLAIMS, b"x", content_type="multipart/form-data"), 400)
    settings.MAX_UPLOAD_MB = 0
    assert assert_problem(send(staff, content + b"\n" * 100_000), 413)["code"] == "file_too_large"
    assert not Import.objects.exists()

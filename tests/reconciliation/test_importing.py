"""Importing files: what each row comes to, what is taken, and that nothing is lost or done twice on the way."""

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from affiliates.models import Affiliate, ApiKey, User
from campaigns.models import Campaign, Post
from config import clock
from config.errors import ConflictError, DomainError
from config.tables.errors import FileRefusedError
from platforms.models import Platform
from reconciliation.comparison import Figures
from reconciliation.errors import ImportRefusedError
from reconciliation.models import AffiliateReport, Import, ImportPart, ImportRow, Job
from reconciliation.services import importing, submission
from tests.factories import (
    TODAY,
    AdvertiserFactory,
    AffiliateFactory,
    BrandFactory,
    CampaignFactory,
    EnrolmentFactory,
    MarketFactory,
    MembershipFactory,
    UserFactory,
)
from tests.reconciliation.support import rows as number_of_rows

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]

CLAIMS = ("affiliate", "campaign", "url", "claimed_views")
Take = Import.Take


def video(number: int) -> str:
    return f"https://www.youtube.com/watch?v={number:011d}"


def csv_of(header: Sequence[str], *rows: Sequence[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


@pytest.fixture
def staff() -> User:
    return UserFactory(is_staff=True)


@pytest.fixture
def mila() -> Affiliate:
    return AffiliateFactory(name="Mila Ortega", user__email="mila@example.com")


@pytest.fixture
def campaign() -> Campaign:
    return CampaignFactory()


def checked(by: User, content: bytes, kind: Import.Kind = Import.Kind.CLAIMS, name: str = "rows.csv") -> Import:
    sent = importing.take_file(kind=kind, file=io.BytesIO(content), name=name, by=by)
    while importing.work(import_id=sent.pk):
        pass
    sent.refresh_from_db()
    assert (sent.state, sent.lease) == ("checked", None)
    return sent


def applied(sent: Import, take: Take = Take.ALL) -> Import:
    importing.apply_import(import_id=sent.pk, take=take, by=sent.created_by)
    while importing.work(import_id=sent.pk):
        pass
    sent.refresh_from_db()
    return sent


def outcomes(sent: Import) -> list[tuple[int, str]]:
    return list(sent.rows.values_list("line", "outcome"))


# --- Claims


def test_a_file_is_checked_first_and_then_imported(staff, mila, campaign):
    rows = [["mila@example.com", campaign.name, video(n), n * 1_000] for n in range(3)]
    before = number_of_rows()
    sent = checked(staff, csv_of(CLAIMS, *rows))
    assert outcomes(sent) == [(2, "new_post"), (3, "new_post"), (4, "new_post")]
    written = {name for name, number in number_of_rows().items() if number != before[name]}
    assert written <= {
        "reconciliation.Import", "reconciliation.ImportPart", "reconciliation.ImportRow", "affiliates.AuditEvent",
        "django_q.OrmQ",
    }  # fmt: skip
    assert applied(sent).state == "applied"
    claims = AffiliateReport.objects.order_by("claimed_views")
    assert [(c.claimed_views, c.claimed_clicks, c.submission_method) for c in claims] == [
        (0, None, "import"), (1_000, None, "import"), (2_000, None, "import"),
    ]  # fmt: skip
    assert Job.objects.filter(state="due").count() == 3
    assert {row.object_id for row in sent.rows.all()} == set(Post.objects.values_list("pk", flat=True))
    assert not ImportPart.objects.exists()


def test_the_same_file_again_changes_nothing_whatever_was_claimed_since(staff, mila, campaign):
    content = csv_of(CLAIMS, ["Mila Ortega", campaign.pk, video(1), 5], [mila.pk, campaign.name, video(2), 5])
    applied(checked(staff, content))
    submission.claim_again(post=Post.objects.get(url=video(1)), figures=Figures(views=7))
    before = AffiliateReport.objects.count()
    again = applied(checked(staff, content))
    assert outcomes(again) == [(2, "unchanged"), (3, "unchanged")]
    edited = applied(checked(staff, content + f"mila@example.com,{campaign.name},{video(3)},5\n".encode()))
    assert outcomes(edited) == [(2, "new_claim"), (3, "unchanged"), (4, "new_post")]
    assert AffiliateReport.objects.count() == before + 2


REFUSED = [
    ({"affiliate": "nobody@example.com"}, "affiliate", "unknown_affiliate"),
    ({"affiliate": ""}, "affiliate", "unknown_affiliate"),
    ({"campaign": "NO_SUCH"}, "campaign", "unknown_campaign"),
    ({"url": ""}, "url", "invalid"),
    ({"url": "https://example.com/x"}, "url", "host_not_supported"),
    ({"url": "https://www.youtube.com/" + "x" * 5_000}, "url", "invalid"),
    ({"platform": "myspace"}, "platform", "unknown_platform"),
    ({"platform": "x"}, "url", "platform_mismatch"),
    ({"claimed_views": ""}, "claimed_views", "nothing_claimed"),
    *(
        ({"claimed_views": views}, "claimed_views", "invalid")
        for views in ("1,000", "1.5", "1e3", "-1", "+1", "٣", "0x1", "12 000", "=1+1", str(2**53), "9" * 400, "null")
    ),
    ({"title": "\u202e"}, "title", "invalid"),
    ({"title": "x" * 301}, "title", "too_long"),
    ({"description": "x" * 5_001}, "description", "too_long"),
    ({"tracking_link": "nosuchcode"}, "tracking_link", "unknown_link"),
]


def test_each_row_is_refused_for_its_own_reason_and_the_good_ones_may_be_taken(staff, mila, campaign):
    good = {"affiliate": "mila@example.com", "campaign": campaign.name, "platform": "", "claimed_views": "5"}
    columns = [*good, "url", "title", "description", "tracking_link"]
    rows = [good | {"url": video(n)} | changes for n, (changes, _, _) in enumerate(REFUSED)]
    rows.append(good | {"url": video(1_000), "claimed_views": str(2**53 - 1)})
    sent = checked(staff, csv_of(columns, *([row.get(name, "") for name in columns] for row in rows)))
    found = list(sent.rows.values_list("field", "code"))
    assert found == [*((field, code) for _, field, code in REFUSED), ("", "")]
    assert all(row.reason for row in sent.rows.filter(outcome="refused"))
    with pytest.raises(ImportRefusedError) as refusal:
        applied(sent)
    assert refusal.value.code == "rows_refused"
    assert not Post.objects.exists()
    assert applied(sent, Take.GOOD).state == "applied"
    assert [claim.claimed_views for claim in AffiliateReport.objects.all()] == [2**53 - 1]


def test_a_file_names_a_post_once(staff, mila, campaign):
    again = "https://youtu.be/00000000001"
    rows = [["mila@example.com", campaign.name, url, n] for n, url in enumerate([video(1), video(2), again])]
    content = csv_of(CLAIMS, *rows, [str(mila.pk).upper(), campaign.pk.hex, video(2), 7])
    sent = checked(staff, content)
    assert outcomes(sent) == [(2, "new_post"), (3, "new_post"), (4, "refused"), (5, "refused")]
    assert {row.code for row in sent.rows.filter(outcome="refused")} == {"duplicate_row"}
    assert "line 2" in sent.rows.get(line=4).reason
    assert "line 3" in sent.rows.get(line=5).reason
    applied(sent, Take.GOOD)
    again = checked(staff, content)
    assert outcomes(again) == [(2, "unchanged"), (3, "unchanged"), (4, "refused"), (5, "refused")]


def test_what_somebody_calls_themselves_is_not_taken_for_another(staff, mila, campaign):
    for name in ("mila@example.com", str(mila.pk)):
        AffiliateFactory(name=name)
    zoe = AffiliateFactory(name="Zo\u00eb")
    named = ["mila@example.com", "MILA@example.com", mila.pk, "mila ortega", "ZOE\u0308"]  # as a Mac writes it
    sent = checked(staff, csv_of(CLAIMS, *([name, campaign.name, video(n), 5] for n, name in enumerate(named))))
    applied(sent)
    claimants = dict(Post.objects.values_list("url", "affiliate"))
    assert [claimants[video(n)] for n in range(5)] == [mila.pk] * 4 + [zoe.pk]


def test_all_or_nothing_means_nothing_when_a_row_is_refused_meanwhile(staff, mila, campaign, monkeypatch):
    monkeypatch.setattr(importing.KINDS["claims"], "chunk_rows", 2)
    sent = checked(staff, csv_of(CLAIMS, *(["mila@example.com", campaign.name, video(n), 5] for n in range(5))))
    youtube = Platform.objects.get(slug="youtube")
    other = AffiliateFactory()
    submission.submit(affiliate=other, campaign=campaign, platform=youtube, url=video(4), figures=Figures(views=1))
    applied(sent)
    assert (sent.state, Post.objects.count()) == ("checked", 1)
    assert "line 6 is refused now. This post is claimed already." in sent.error
    assert sent.rows.get(line=6).outcome == "refused"
    assert ImportPart.objects.exists()
    assert applied(sent, Take.GOOD).state == "applied"
    assert Post.objects.count() == 5


@pytest.mark.parametrize("stage", ["check", "good", "all"])
def test_what_a_lost_worker_began_is_gone_on_with(staff, mila, campaign, monkeypatch, stage):
    monkeypatch.setattr(importing.KINDS["claims"], "chunk_rows", 2)
    content = csv_of(CLAIMS, *(["mila@example.com", campaign.name, video(n), 5] for n in range(7)))
    sent = importing.take_file(kind=Import.Kind.CLAIMS, file=io.BytesIO(content), name="rows.csv", by=staff)
    if stage != "check":
        importing.work(import_id=sent.pk)
        take = Take.ALL if stage == "all" else Take.GOOD
        importing.apply_import(import_id=sent.pk, take=take, by=staff)
    kind, calls = importing.KINDS["claims"], []
    real = {"preview": kind.preview, "write": kind.write}

    def dying(name):
        def call(*args, **kwargs):
            calls.append(name)
            if len(calls) == 3:
                raise KeyboardInterrupt
            return real[name](*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        for name in real:
            patched.setattr(kind, name, dying(name), raising=False)
        with pytest.raises(KeyboardInterrupt):
            importing.work(import_id=sent.pk)
    assert Post.objects.count() == {"check": 0, "good": 4, "all": 0}[stage]
    assert not importing.work(import_id=sent.pk)  # somebody may be at it yet
    with clock.at(TODAY + importing.LEASE + timedelta(seconds=1)):
        assert importing.sweep() == 1
        importing.work(import_id=sent.pk)
    sent.refresh_from_db()
    if stage == "check":
        assert (sent.state, sent.rows_total, len(outcomes(sent))) == ("checked", 7, 7)
    else:
        assert (sent.state, Post.objects.count(), AffiliateReport.objects.count()) == ("applied", 7, 7)


def test_work_that_never_comes_on_is_given_up(staff, mila, campaign, monkeypatch):
    content = csv_of(CLAIMS, ["mila@example.com", campaign.name, video(1), 5])
    sent = importing.take_file(kind=Import.Kind.CLAIMS, file=io.BytesIO(content), name="rows.csv", by=staff)
    monkeypatch.setattr(importing.KINDS["claims"], "preview", None, raising=False)
    for attempt in range(importing.MAX_ATTEMPTS + 1):
        with clock.at(TODAY + attempt * (importing.LEASE + timedelta(seconds=1))):
            assert importing.sweep() == bool(attempt)  # at first it has just been queued
            if attempt < importing.MAX_ATTEMPTS:
                with pytest.raises(TypeError):
                    importing.work(import_id=sent.pk)
            else:
                importing.work(import_id=sent.pk)
    sent.refresh_from_db()
    assert (sent.state, importing.sweep()) == ("failed", 0)
    assert "given up after 5 attempts" in sent.error


def test_a_large_file_is_worked_on_in_turns(staff, mila, campaign, monkeypatch):
    monkeypatch.setattr(importing.KINDS["claims"], "chunk_rows", 2)
    content = csv_of(CLAIMS, *(["mila@example.com", campaign.name, video(n % 6), 5] for n in range(7)))
    sent = importing.take_file(kind=Import.Kind.CLAIMS, file=io.BytesIO(content), name="rows.csv", by=staff)
    turns = 0
    while importing.work(import_id=sent.pk, turn_s=0):
        turns += 1
    assert turns == 4
    assert outcomes(sent)[-1] == (8, "refused")  # the same post as in the first turn


def test_only_a_file_that_waits_for_it_is_decided_on(staff, mila, campaign):
    sent = checked(staff, csv_of(CLAIMS, ["mila@example.com", campaign.name, video(1), 5]))
    importing.discard_import(import_id=sent.pk, by=staff)
    assert not ImportPart.objects.exists()
    for decide in (
        lambda: importing.discard_import(import_id=sent.pk, by=staff),
        lambda: importing.apply_import(import_id=sent.pk, take=Take.GOOD, by=staff),
    ):
        with pytest.raises(ConflictError):
            decide()
    old = checked(staff, csv_of(CLAIMS, ["mila@example.com", campaign.name, video(1), 5]))
    with clock.at(TODAY + importing.KEPT_FOR):
        importing.sweep()
    old.refresh_from_db()
    assert (old.state, Post.objects.count()) == ("discarded", 0)


def test_managers_import_for_their_campaigns_and_affiliates(mila, campaign):
    manager = MembershipFactory(advertiser=campaign.advertiser, role="manager").user
    EnrolmentFactory(campaign=campaign, affiliate=mila)
    AffiliateFactory(user__email="other@example.com")
    sent = checked(
        manager,
        csv_of(
            CLAIMS,
            ["mila@example.com", campaign.name, video(1), 5],
            ["other@example.com", campaign.name, video(2), 5],
            ["nobody@example.com", campaign.name, video(3), 5],
            ["mila@example.com", CampaignFactory().name, video(4), 5],
        ),
    )
    assert outcomes(sent)[0] == (2, "new_post")
    theirs, nobodys = sent.rows.filter(line__in=(3, 4))
    assert (theirs.field, theirs.code, theirs.reason) == (nobodys.field, nobodys.code, nobodys.reason)
    assert sent.rows.get(line=5).code == "unknown_campaign"


def test_what_somebody_else_imported_is_not_told_to_who_sends_the_same_file(staff, mila, campaign):
    EnrolmentFactory(campaign=campaign, affiliate=mila)
    content = csv_of(CLAIMS, ["mila@example.com", campaign.name, video(1), 5])
    applied(checked(staff, content))
    colleague = MembershipFactory(advertiser=campaign.advertiser, role="manager").user
    assert checked(colleague, content).rows.get().code == "imported_before"
    stranger = MembershipFactory(role="manager").user
    told = checked(stranger, content).rows.get()
    assert (told.outcome, told.code, told.object_id) == ("refused", "unknown_campaign", None)


def test_a_file_that_was_sent_twice_before_it_was_imported_is_imported_once(staff, mila, campaign):
    content = csv_of(CLAIMS, ["mila@example.com", campaign.name, video(1), 5])
    first, second = checked(staff, content), checked(staff, content)
    applied(first)
    submission.claim_again(post=Post.objects.get(), figures=Figures(views=7))
    assert outcomes(applied(second)) == [(2, "unchanged")]
    assert {claim.claimed_views for claim in AffiliateReport.objects.all()} == {5, 7}
    assert AffiliateReport.objects.count() == 2


def test_a_test_key_imports_into_the_test_world_alone(staff, mila):
    live, test = CampaignFactory(), CampaignFactory(livemode=False, advertiser__livemode=False)
    staff.livemode = False
    content = csv_of(CLAIMS, *(["mila@example.com", each.name, video(n), 5] for n, each in enumerate((live, test))))
    assert outcomes(checked(staff, content)) == [(2, "refused"), (3, "new_post")]


# --- Campaigns and affiliates


def test_campaigns_are_made_as_drafts(staff):
    advertiser = AdvertiserFactory(name="Northwind")
    BrandFactory(advertiser=advertiser, code="NWB")
    MarketFactory(code="US")
    header = ["advertiser", "brand", "market", "campaign_name", "starts_on", "ends_on", "platforms", "rate_per_click"]
    rest = ["2026-12-01", "2026-12-31", "youtube x", "0.50"]
    content = csv_of(
        header,
        ["Northwind", "nwb", "US", "Winter", *rest],
        ["Northwind", "NWB", "US", "Win-ter!", *rest],
        ["Northwind", "NO", "US", "Summer", *rest],
        ["Eastwind", "NWB", "US", "Summer", *rest],
        ["Northwind", "NWB", "US", "Dry summer", "2026-12-31", "2026-12-01", "", ""],
        ["Northwind", "NWB", "US", "Spring", "31.12.2026", "2026-12-01", "", ""],
        ["Northwind", "NWB", "US", "Autumn", "2026-12-01", "2026-12-31", "myspace", ""],
        ["Northwind", "NWB", "US", "Solstice", "2026-12-01", "2026-12-31", "", "0.50"],
    )
    sent = checked(staff, content, Import.Kind.CAMPAIGNS)
    assert not Campaign.objects.exists()
    assert [row.field or row.outcome for row in sent.rows.all()] == [
        "created", "refused", "brand", "advertiser", "ends_on", "starts_on", "platforms", "platforms",
    ]  # fmt: skip
    applied(sent, Take.GOOD)
    made = Campaign.objects.get()
    assert (made.name, made.status) == ("NWB_US_MULTI_2026_Winter", "draft")
    assert {str(each.rate_per_click) for each in made.campaign_platforms.all()} == {"0.5000"}
    same = csv_of(header, ["Northwind", "NWB", "US", "Winter", *rest])
    assert outcomes(checked(staff, same, Import.Kind.CAMPAIGNS)) == [(2, "unchanged")]
    other = csv_of(header, ["Northwind", "NWB", "US", "Winter", *rest[:-1], "0.75"])
    assert checked(staff, other, Import.Kind.CAMPAIGNS).rows.get().field == "platforms"


def test_affiliates_come_without_keys(staff, mila):
    header = ["name", "email", "discord_user_id"]
    content = csv_of(
        header,
        ["Ann", " Ann@Example.com", "123"],
        ["Mila Ortega", "mila@example.com", ""],
        ["Mila", "mila@example.com ", ""],
        ["mila ortega", "other@example.com", ""],
        ["Bob", "no e-mail", ""],
        ["Cid", "cid@example.com", "x"],
        ["", "dee@example.com", ""],
        ["Eve", "e@" + ".".join(["x" * 60] * 5), ""],  # longer than we keep
    )
    sent = checked(staff, content, Import.Kind.AFFILIATES)
    assert [row.field or row.outcome for row in sent.rows.all()] == [
        "created", "unchanged", "refused", "name", "email", "discord_user_id", "name", "email",
    ]  # fmt: skip
    applied(sent, Take.GOOD)
    ann = Affiliate.objects.get(name="Ann")
    assert (ann.user.email, ann.discord_user_id, ann.user.has_usable_password()) == ("ann@example.com", "123", False)
    assert not ApiKey.objects.exists()


# --- Files


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "no_rows"),
        (b"affiliate,campaign,url\n", "no_rows"),
        (b"affiliate,campaign\na,b\n", "missing_column"),
        (b"affiliate,campaign,url,colour\na,b,c,d\n", "unknown_column"),
        ("affiliate,campaign,url\nä,b,c\n".encode("latin-1"), "file_malformed"),
        ("affiliate,campaign,url\na,b,c\n".encode("utf-16"), "file_malformed"),
    ],
)
def test_what_is_no_table_is_not_taken(staff, content, code):
    before = number_of_rows()
    with pytest.raises(FileRefusedError) as refusal:
        importing.take_file(kind=Import.Kind.CLAIMS, file=io.BytesIO(content), name="rows.csv", by=staff)
    assert (refusal.value.code, number_of_rows()) == (code, before)


def test_what_turns_out_to_be_none_later_imports_nothing(staff, mila, campaign, monkeypatch):
    monkeypatch.setattr(importing.KINDS["claims"], "chunk_rows", 2)
    good = csv_of(CLAIMS, *(["mila@example.com", campaign.name, video(n), 5] for n in range(5)))
    sent = importing.take_file(kind=Import.Kind.CLAIMS, file=io.BytesIO(good + b'"x'), name="rows.csv", by=staff)
    importing.work(import_id=sent.pk)
    sent.refresh_from_db()
    assert (sent.state, Post.objects.count()) == ("failed", 0)
    assert "quotation mark" in sent.error


# --- The commands


@pytest.fixture
def file_of(tmp_path):
    def write(content: bytes) -> str:
        path = tmp_path / "rows.csv"
        path.write_bytes(content)
        return str(path)

    return write


def test_the_command_says_what_each_row_comes_to_and_imports(staff, mila, campaign, file_of, capsys):
    path = file_of(csv_of(CLAIMS, *(["mila@example.com", campaign.name, video(n), 5] for n in range(3))))
    call_command("import_claims", path, "--by", staff.email, "--dry-run")
    assert "nothing was imported" in capsys.readouterr().out
    assert not Post.objects.exists()
    call_command("import_claims", path, "--by", staff.email)
    assert "Imported. Rows: new post 3." in capsys.readouterr().out
    call_command("import_claims", path, "--by", staff.email)
    assert "Imported. Rows: unchanged 3." in capsys.readouterr().out
    assert AffiliateReport.objects.count() == 3


def test_the_command_imports_nothing_unless_told_to_take_the_good_rows(staff, mila, campaign, file_of, capsys):
    path = file_of(
        csv_of(CLAIMS, *(["mila@example.com", campaign.name, video(n), views] for n, views in ((1, 5), (2, "x"))))
    )
    with pytest.raises(CommandError, match="Nothing was imported"):
        call_command("import_claims", path, "--by", staff.email)
    assert "line 3, claimed_views: A whole number" in capsys.readouterr().err
    assert not Post.objects.exists()
    with pytest.raises(SystemExit) as left:
        call_command("import_claims", path, "--by", staff.email, "--rows", "good")
    assert (left.value.code, Post.objects.count()) == (3, 1)


@pytest.mark.parametrize("given", [["/no/such/file.csv"], ["{path}", "--by", "nobody@example.com"], ["{path}"]])
def test_the_command_says_what_is_missing(file_of, given):
    path = file_of(csv_of(CLAIMS, ["a", "b", "c", 1]))
    with pytest.raises(CommandError):
        call_command("import_claims", *(each.format(path=path) for each in given))
    assert not Import.objects.exists()


def test_a_worker_takes_no_more_than_it_can_in_one_transaction(staff, mila, campaign, monkeypatch):
    monkeypatch.setattr(importing.KINDS["claims"], "chunk_rows", 1)
    monkeypatch.setattr(importing, "MAX_CHUNKS_AS_A_WHOLE", 1)
    sent = checked(staff, csv_of(CLAIMS, *(["mila@example.com", campaign.name, video(n), 5] for n in range(2))))
    with pytest.raises(DomainError) as refusal:
        applied(sent)
    assert refusal.value.code == "too_many_rows"
    assert ImportRow.objects.filter(is_done=True).count() == 0
    importing.apply_import(import_id=sent.pk, take=Take.ALL, by=staff, is_queued=False)  # by a command, which died
    importing.work(import_id=sent.pk)
    sent.refresh_from_db()
    assert (sent.state, Post.objects.count()) == ("failed", 0)
    assert "nothing was imported" in sent.error


def test_the_command_goes_on_when_a_worker_that_was_quicker_dies(staff, mila, campaign, file_of, capsys, monkeypatch):
    path = file_of(csv_of(CLAIMS, ["mila@example.com", campaign.name, video(1), 5]))
    real, lost = importing.work, []

    def work(*, import_id, **how):
        if not lost:  # somebody else takes it, and is never heard of again
            lost.append(Import.objects.filter(pk=import_id).update(leased_until=TODAY))
            return False
        return real(import_id=import_id, **how)

    monkeypatch.setattr(importing, "work", work)
    monkeypatch.setattr("reconciliation.management.importing.POLL_S", 0)
    call_command("import_claims", path, "--by", staff.email)
    assert Post.objects.count() == 1

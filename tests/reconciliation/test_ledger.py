"""The ledger: receipts that anybody can check, blocks that chain them, and what tells of any change."""

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from io import StringIO
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.urls import reverse

from campaigns.models import Campaign, CampaignPlatform
from config import clock
from config.demo.seeding import run_queued_tasks
from reconciliation import receipts, tasks
from reconciliation.chain import GENESIS
from reconciliation.comparison import Status
from reconciliation.models import AffiliateReport, Block, PlatformReport, ReconciliationLog, SealedReceipt
from reconciliation.services import sealing
from reconciliation.services.recorded import Recording
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, MembershipFactory
from tests.hostile import assert_problem
from tests.reconciliation.support import tamper
from tests.scene import Scene

pytestmark = pytest.mark.django_db

LATER = TODAY + timedelta(days=2)
POSTS = 4

VERDICTS, SEALED, BLOCKS = (f"reconciliation_{name}" for name in ("reconciliationlog", "sealedreceipt", "block"))
CLAIMS, SNAPSHOTS = "reconciliation_affiliatereport", "reconciliation_platformreport"


def run(command: str, *arguments: str, fails: bool = False) -> str:
    """What a command says two days later; `fails`: it has to end with 1."""
    said = StringIO()
    with clock.at(LATER):
        if fails:
            with pytest.raises(SystemExit) as ended:
                call_command(command, *arguments, stdout=said)
            assert ended.value.code == 1
        else:
            call_command(command, *arguments, stdout=said)
    return said.getvalue()


@pytest.fixture
def judged(
    today: None, claim: Callable[..., Any], drain_all: Callable[[], int], world_post: Callable[..., Any]
) -> Campaign:
    """A campaign with some verdicts, over-claims among them."""
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    for index in range(POSTS):
        post = world_post("youtube", index)
        claim(affiliate, campaign, post, (post.figures_at(TODAY).views or 0) * (1 + index % 2), clicks=7)
    drain_all()
    return campaign


@pytest.fixture
def sealed(judged: Campaign) -> Campaign:
    """The same, in a block."""
    run("seal")
    return judged


def receipt_of(verdict: ReconciliationLog) -> receipts.Receipt:
    return Recording().receipts([verdict.pk])[verdict.pk]


def at(position: int) -> ReconciliationLog:
    """The verdict at a place of the first block."""
    return ReconciliationLog.objects.get(sealed__position=position)


# --- Receipts


def test_a_receipt_has_every_column_of_what_it_is_made_of():
    for model, names in (
        (AffiliateReport, receipts.CLAIM),
        (PlatformReport, receipts.SNAPSHOT),
        (ReconciliationLog, (*receipts.VERDICT, "terms")),
    ):
        assert {field.attname for field in model._meta.concrete_fields} == set(names)


@pytest.mark.usefixtures("judged")
def test_a_receipt_says_what_a_verdict_was_drawn_from_and_by_and_is_hashed_as_one_text():
    verdict = ReconciliationLog.objects.filter(status="DISCREPANCY")[0]
    found = receipt_of(verdict)
    assert found["inputs"]["claim"]["claimed_views"] == verdict.affiliate_report.claimed_views
    assert found["rules"]["thresholds"]["views"] == {
        "medium_from_pct": "5.0000",
        "high_above_pct": "20.0000",
        "floor": 50,
    }
    assert found["rules"]["lags"] == {"views": {"post_age": 24}, "conversions": {"claim_age": 72}}
    assert found["outcome"]["processed_at"] == "2026-11-20T12:00:00.000000Z"
    assert found["outcome"]["money_at_risk"] == f"{verdict.money_at_risk:.2f}"
    text = json.dumps(found, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    assert receipts.canonical(found) == text
    assert receipts.digest(found) == sha256(text).hexdigest()
    assert receipts.differences(json.loads(text)) == {}


def test_what_changes_after_a_verdict_leaves_its_receipt_as_it_is(judged: Campaign):
    verdict = ReconciliationLog.objects.all()[0]
    before = receipts.canonical(receipt_of(verdict))
    CampaignPlatform.objects.filter(campaign=judged).update(rate_per_1000_views=77)
    judged.conversion_lag_h = 1
    judged.save(update_fields=["conversion_lag_h"])
    assert receipts.canonical(receipt_of(verdict)) == before


@pytest.mark.usefixtures("judged")
def test_a_verdict_from_before_its_terms_were_kept_is_sealed_and_not_derived():
    tamper(f"UPDATE {VERDICTS} SET terms = NULL")
    run("seal")
    assert f"{POSTS} have no terms with them" in run("verify_ledger")


# --- Sealing


def test_a_day_is_sealed_once_in_order_and_the_head_is_told(judged: Campaign, tmp_path: Path):
    said = run("seal", "--export", str(tmp_path / "blocks"))
    block = Block.objects.get()
    assert f"{POSTS} receipts sealed, in 1 blocks." in said
    assert f"Head: block 1, {block.sha256}" in said
    assert (block.campaign, block.day, block.count) == (judged, TODAY.date(), POSTS)
    in_order = ReconciliationLog.objects.order_by("processed_at", "id").values_list("pk", flat=True)
    assert list(SealedReceipt.objects.order_by("position").values_list("verdict", flat=True)) == list(in_order)
    assert "0 receipts sealed, in 0 blocks." in run("seal")

    told = json.loads((tmp_path / "blocks").read_text())  # a stranger has nothing but this
    hashes, own = told.pop("receipts"), told.pop("sha256")
    assert told["receipts_sha256"] == sha256(bytes.fromhex("".join(hashes))).hexdigest()
    assert own == block.sha256 == sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    assert told["previous_sha256"] == GENESIS
    assert hashes == [receipts.digest(receipt_of(at(n))) for n in range(1, POSTS + 1)]


@pytest.mark.usefixtures("judged")
def test_a_day_is_sealed_when_it_has_been_over_for_five_minutes():
    midnight = (TODAY + timedelta(days=1)).replace(hour=0, minute=0)
    with clock.at(midnight + timedelta(minutes=4)):
        assert list(sealing.seal()) == []
        with pytest.raises(CommandError, match="not over"):
            call_command("seal", "--day", TODAY.date().isoformat())
    with clock.at(midnight + timedelta(minutes=5)):
        assert [block.count for block in sealing.seal(day=TODAY.date())] == [POSTS]


@pytest.mark.usefixtures("judged")
def test_more_than_a_block_holds_goes_into_several_and_late_ones_into_a_further_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "MAX_RECEIPTS", 2)
    late = ReconciliationLog.objects.order_by("processed_at", "id")[0]
    with clock.at(LATER):
        tamper(f"UPDATE {VERDICTS} SET processed_at = processed_at + interval '2 days' WHERE id = %(it)s", it=late.pk)
        tasks.seal()
        tamper(f"UPDATE {VERDICTS} SET processed_at = processed_at - interval '2 days' WHERE id = %(it)s", it=late.pk)
        assert "1 are of days that are over, and in no block" in run("verify_ledger")
        tasks.seal()
    first, second, third = Block.objects.order_by("number")
    assert (first.count, second.count, third.count) == (2, 1, 1)
    assert [second.previous_sha256, third.previous_sha256] == [first.sha256, second.sha256]
    assert f"{POSTS:,} verdicts checked; 3 blocks" in run("verify_ledger")


@pytest.mark.usefixtures("judged")
def test_what_takes_long_is_gone_on_with_by_another_task(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "MAX_RECEIPTS", 1)
    monkeypatch.setattr(sealing, "TIME_BUDGET_S", -1)
    with clock.at(LATER):
        tasks.seal()
        assert Block.objects.count() == 1
        run_queued_tasks()
    assert Block.objects.count() == POSTS


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("judged")
def test_whoever_seals_at_once_makes_one_chain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sealing, "MAX_RECEIPTS", 1)
    together = Barrier(3)

    def seal() -> None:
        try:
            together.wait()
            list(sealing.seal())
        finally:
            connection.close()

    with clock.at(LATER):
        threads = [Thread(target=seal) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert list(Block.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3, 4]
    assert f"{POSTS} verdicts checked; 4 blocks" in run("verify_ledger")


# --- Verifying

TAMPERING: dict[str, tuple[str, str]] = {
    "a byte of an explanation": (
        f"UPDATE {VERDICTS} SET explanation = overlay(explanation placing 'c' from 1) WHERE id = %(second)s",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "a verdict's money": (
        f"UPDATE {VERDICTS} SET money_at_risk = 0.01 WHERE id = %(second)s",
        "Otherwise: verdict {second} (block 1, position 2) does not follow from its inputs (money_at_risk:",
    ),
    "a claimed figure": (
        f"UPDATE {CLAIMS} claim SET claimed_views = claimed_views + 1 FROM {VERDICTS} verdict"
        " WHERE verdict.affiliate_report_id = claim.id AND verdict.id = %(second)s",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "a counted figure that is not judged": (
        f"UPDATE {SNAPSHOTS} truth SET likes = likes + 1 FROM {VERDICTS} verdict"
        " WHERE verdict.platform_report_id = truth.id AND verdict.id = %(second)s",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "the terms that held": (
        f"""UPDATE {VERDICTS} SET terms = jsonb_set(terms, '{{lags,views,post_age}}', '25') WHERE id = %(second)s""",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "terms that are none": (
        f"UPDATE {VERDICTS} SET terms = '[{{}}]' WHERE id = %(second)s",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "terms of which a part is gone": (
        f"UPDATE {VERDICTS} SET terms = terms - 'previous' WHERE id = %(second)s",
        "Not derivable: verdict {second} (block 1, position 2)",
    ),
    "a source that is nested too deep": (
        f"""UPDATE {SNAPSHOTS} truth SET provenance = (repeat('[', 300) || repeat(']', 300))::jsonb
        FROM {VERDICTS} verdict WHERE verdict.platform_report_id = truth.id AND verdict.id = %(second)s""",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "terms that say nothing": (
        f"""UPDATE {VERDICTS} SET terms = jsonb_set(terms, '{{lags}}', '{{"views": {{"age": 1}}}}')
        WHERE id = %(second)s""",
        "Not derivable: verdict {second} (block 1, position 2)",
    ),
    "a limit of the rules": (
        "UPDATE reconciliation_ruleset SET cells = replace(cells::text, '\"20\"', '\"21\"')::jsonb",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "a setting of the rules that decides no limit": (
        "UPDATE reconciliation_ruleset SET quality = '{\"jump\": {}}'",
        "Changed receipt: verdict {second} (block 1, position 2)",
    ),
    "a rule set that is gone": (
        "DELETE FROM reconciliation_ruleset",
        "Not derivable: verdict {second} (block 1, position 2)",
    ),
    "rules that are none": (
        "UPDATE reconciliation_ruleset SET cells = '[]'",
        "Not derivable: verdict {second} (block 1, position 2)",
    ),
    "a verdict that is gone": (
        f"DELETE FROM {VERDICTS} WHERE id = %(second)s",
        "Missing row: verdict {second} (block 1, position 2) is gone.",
    ),
    "a claim that is gone": (
        f"DELETE FROM {CLAIMS} WHERE id = (SELECT affiliate_report_id FROM {VERDICTS} WHERE id = %(second)s)",
        "Changed receipt: verdict {second} (block 1, position 2) is not what was sealed. Its claim is gone.",
    ),
    "a sealed row that is gone": (
        f"DELETE FROM {SEALED} WHERE verdict_id = %(second)s",
        "Missing row: of block 1, position 2 is missing.",
    ),
    "the last sealed row that is gone": (
        f"DELETE FROM {SEALED} WHERE position = {POSTS}",
        f"Missing row: block 1 has {POSTS - 1} rows, and was sealed with {POSTS}.",
    ),
    "two places swapped": (
        f"""UPDATE {SEALED} SET position = position + 100 WHERE position IN (2, 3);
        UPDATE {SEALED} SET position = 105 - position WHERE position > 100""",
        "Re-ordered rows: verdict {second} (block 1, position 3) came about before the one at position 2.",
    ),
    "two verdicts swapped": (
        f"""UPDATE {VERDICTS} one SET explanation = other.explanation FROM {VERDICTS} other
        WHERE (one.id, other.id) IN ((%(second)s, %(third)s), (%(third)s, %(second)s))""",
        "Changed receipt: verdict {third} (block 1, position 3)",
    ),
    "a sealed hash": (
        f"UPDATE {SEALED} SET sha256 = repeat('0', 64) WHERE verdict_id = %(second)s",
        "Changed block: block 1",
    ),
    "what is no hash": (
        f"UPDATE {SEALED} SET sha256 = repeat('x', 64) WHERE verdict_id = %(second)s",
        "Changed block: block 1",
    ),
    "a block's hash": (f"UPDATE {BLOCKS} SET sha256 = repeat('0', 64)", "Changed block: block 1"),
    "when it was sealed": (f"UPDATE {BLOCKS} SET created_at = created_at + interval '1 us'", "Changed block: block 1"),
    "a block's day": (f"UPDATE {BLOCKS} SET day = day + 1", "Misplaced row: verdict {second} (block 1, position 2)"),
    "the chain's beginning": (f"UPDATE {BLOCKS} SET previous_sha256 = repeat('1', 64)", "The chain is broken: block 1"),
    "a block's number": (f"UPDATE {BLOCKS} SET number = 3", "Blocks 1 to 2 are missing"),
    "a block that is gone": (f"DELETE FROM {BLOCKS}", f"Missing block: {POSTS} rows are of block"),
}


@pytest.mark.usefixtures("sealed")
@pytest.mark.parametrize("what", TAMPERING)
def test_whatever_is_changed_is_found_and_named(what: str):
    assert "Nothing is wrong." in run("verify_ledger")
    ids = {"second": at(2).pk, "third": at(3).pk}
    sql, told = TAMPERING[what]
    tamper(sql, **ids)
    assert told.format(**ids) in run("verify_ledger", fails=True)


@pytest.mark.usefixtures("judged")
def test_a_verdict_in_no_block_is_derived_too():
    verdict = ReconciliationLog.objects.filter(status="MATCHED")[0]
    tamper(f"UPDATE {VERDICTS} SET trust_effect = 'INACCURATE' WHERE id = %(it)s", it=verdict.pk)
    said = run("verify_ledger", fails=True)
    assert f"Otherwise: verdict {verdict.pk} (in no block)" in said
    assert "(trust_effect: INACCURATE → ACCURATE)" in said


def test_a_history_that_was_written_anew_has_another_head(sealed: Campaign):
    """Whoever can change everything can make a chain that holds in itself: what was kept elsewhere tells."""
    kept = Block.objects.get().sha256
    assert "Nothing is wrong." in run("verify_ledger", "--head", kept.upper())
    tamper(f"DELETE FROM {SEALED}; DELETE FROM {BLOCKS}")
    tamper(f"DELETE FROM {VERDICTS} WHERE status = 'DISCREPANCY'")
    run("seal")
    assert "Nothing is wrong." in run("verify_ledger")
    assert f"Another chain: no block has the hash {kept}." in run("verify_ledger", "--head", kept, fails=True)


def test_a_selection_is_derived_and_the_chain_is_checked_whole(sealed: Campaign):
    tamper(f"UPDATE {VERDICTS} SET explanation = '' WHERE id = %(it)s", it=at(2).pk)
    other = str(CampaignFactory().pk)
    for selection in (["--campaign", other], ["--from", (TODAY.date() + timedelta(days=1)).isoformat()]):
        assert "0 verdicts checked; 1 blocks" in run("verify_ledger", *selection)
    for selection in (["--campaign", str(sealed.pk)], ["--from", TODAY.date().isoformat()]):
        assert "position 2" in run("verify_ledger", *selection, fails=True)
    tamper(f"UPDATE {SEALED} SET sha256 = repeat('0', 64) WHERE position = 3")
    assert "Changed block" in run("verify_ledger", "--campaign", other, fails=True)


def test_every_kind_of_verdict_follows_from_its_receipt(scene: Scene, drain_all: Callable[[], int]):
    with clock.at(TODAY + timedelta(hours=25)):
        drain_all()  # the second looks
    found = set(ReconciliationLog.objects.values_list("status", "discrepancy_level"))
    assert {status for status, _ in found} == set(Status) - {Status.INVALID_CLAIM}
    assert ReconciliationLog.objects.exclude(terms__previous=[]).exists()
    said = run("verify_ledger")
    assert f"{ReconciliationLog.objects.count()} verdicts checked" in said
    assert "Nothing is wrong." in said


# --- Who sees receipts


def test_the_advertisers_side_reads_receipts_and_an_affiliate_does_not(
    judged: Campaign, client_of: Callable[..., Any], client: Any
):
    verdict = ReconciliationLog.objects.select_related("post__affiliate__user").filter(status="DISCREPANCY")[0]
    address = f"/api/v1/reconciliation/results/{verdict.pk}/receipt"
    manager = MembershipFactory(advertiser=judged.advertiser).user
    told = client_of(manager).get(address).json()
    assert told["receipt"] == receipt_of(verdict) == json.loads(told["canonical"])
    assert told["sha256"] == sha256(told["canonical"].encode()).hexdigest()
    assert told["block"] is None
    run("seal")
    block = Block.objects.get()
    position = SealedReceipt.objects.get(verdict=verdict).position
    found = client_of(manager).get(address).json()
    assert found == told | {"block": {"number": 1, "sha256": block.sha256, "position": position}}
    assert_problem(client_of(verdict.post.affiliate.user).get(address), 403)
    assert_problem(client_of(AffiliateFactory().user).get(address), 404)

    page = reverse("dashboard:post", args=[verdict.post_id])
    for user, shows in ((manager, True), (verdict.post.affiliate.user, False)):
        client.force_login(user)
        assert (address in client.get(page).content.decode()) is shows

"""What always holds of the data: that it is told where it does not, by its own name."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from alerts import services as alert_services
from campaigns.models import Post
from config import clock
from config.demo.seeding import run_queued_tasks
from config.invariants import APPEND_ONLY, QUEUE
from config.management.commands.check_invariants import INVARIANTS
from reconciliation.comparison import Figures
from reconciliation.errors import SecondClaimantError
from reconciliation.models import PostState
from reconciliation.services import disputing, runs, sealing, submission
from tests.config.test_admin_tables import tracked_sale
from tests.invariants import broken
from tests.reconciliation.test_overriding import decide

pytestmark = pytest.mark.django_db

POST = (
    "(SELECT post_id FROM reconciliation_reconciliationlog WHERE discrepancy_level = 'HIGH' AND next_look_at IS NULL)"
)
VERDICT = "(SELECT id FROM reconciliation_reconciliationlog WHERE discrepancy_level = 'HIGH' AND next_look_at IS NULL)"
EVENT = "affiliates_auditevent WHERE action ="
COPY_OF_A_VERDICT = f"""
INSERT INTO reconciliation_reconciliationlog
SELECT (jsonb_populate_record(verdict, jsonb_build_object('id', gen_random_uuid()))).*
FROM reconciliation_reconciliationlog verdict WHERE id = {VERDICT}
"""
A_CLAIM_LATER = "(SELECT max(claimed_at) + interval '1 hour' FROM reconciliation_affiliatereport)"

SABOTAGE = {
    "A trigger keeps every table of record from being changed": (
        "ALTER TABLE reconciliation_trustevent DISABLE TRIGGER append_only"
    ),
    "A campaign is in its advertiser's mode": "UPDATE campaigns_campaign SET livemode = false",
    "Who has a post in a campaign is enrolled there": "DELETE FROM campaigns_enrolment",
    "A post is merged into another one of the same affiliate, campaign and platform": (
        "UPDATE campaigns_post SET merged_into_id = id WHERE id = {post}"
    ),
    "A post that gave way has an event that says so": (
        "UPDATE campaigns_post SET displaced_at = now() WHERE id = {post}"
    ),
    "A post's tracking link is its affiliate's, for its campaign and platform": (
        "UPDATE campaigns_post SET tracking_link_id = (SELECT id FROM campaigns_trackinglink)"
    ),
    "A sale stands as the last of its events says, and none of them is missing": (
        "UPDATE campaigns_conversionevent SET sequence = 7"
    ),
    "A sale's click is one on its link, and both are of its campaign": (
        "UPDATE campaigns_trackinglink SET campaign_id = (SELECT campaign_id FROM campaigns_post WHERE id = {post})"
    ),
    "A claim has one counted verdict at most": (
        "DROP INDEX verdict_counted_once;"
        "ALTER TABLE reconciliation_reconciliationlog DROP CONSTRAINT verdict_once_a_snapshot; {copy}"
    ),
    "A claim has its counted verdict, or a job that leads to it, or was withdrawn unseen": (
        "DELETE FROM reconciliation_job WHERE state = 'due'"
    ),
    "A claim that was withdrawn unseen is never judged": (
        "INSERT INTO reconciliation_claimwithdrawal (id, created_at, claim_id, is_unseen, reason, withdrawn_by_id)"
        " SELECT gen_random_uuid(), now(), affiliate_report_id, true, 'other', gen_random_uuid()"
        " FROM reconciliation_reconciliationlog WHERE id = {verdict}"
    ),
    "A post has a claim, and a state that says how it stands": (
        "DELETE FROM reconciliation_poststate WHERE post_id = {post}"
    ),
    "A post's current claim is its latest that was not withdrawn unseen": (
        "UPDATE reconciliation_affiliatereport SET post_id = {post}, claimed_at = {later}"
        " WHERE id = (SELECT current_claim_id FROM reconciliation_poststate WHERE current_verdict_id IS NULL)"
    ),
    "A post is reconciled when each of its claims has its counted verdict, and only then": (
        "UPDATE campaigns_post SET is_reconciled = NOT is_reconciled WHERE id = {post}"
    ),
    "A post has one pending job at most": (
        "DROP INDEX job_one_pending_a_post; UPDATE reconciliation_job SET post_id = {post}, state = 'due'"
    ),
    "A job that nobody asked for has an open claim to look at": (
        "UPDATE reconciliation_job SET state = 'due', finished_at = NULL WHERE post_id = {post}"
    ),
    "A job is held no longer than its lease": (
        "UPDATE reconciliation_job SET state = 'leased', lease = gen_random_uuid(), leased_until = '2026-01-01'"
        " WHERE state = 'due'"
    ),
    "A job has an end when it is over, and a holder only while it is held": (
        "UPDATE reconciliation_job SET lease = gen_random_uuid() WHERE state = 'due'"
    ),
    "A job that is dead says why": (
        "UPDATE reconciliation_job SET state = 'dead', finished_at = now() WHERE state = 'due'"
    ),
    "A job that was discarded has an event that says so, or was a cancelled run's": (
        "UPDATE reconciliation_job SET state = 'discarded', finished_at = now() WHERE state = 'due'"
    ),
    "A displaced post has no job to come": (
        "UPDATE campaigns_post SET displaced_at = now() WHERE id IN"
        " (SELECT post_id FROM reconciliation_job WHERE state = 'due')"
    ),
    "A verdict, its claim and its snapshot are of one post": (
        "UPDATE reconciliation_platformreport SET post_id ="
        " (SELECT post_id FROM reconciliation_poststate WHERE current_verdict_id IS NULL)"
        " WHERE id = (SELECT platform_report_id FROM reconciliation_reconciliationlog WHERE id = {verdict})"
    ),
    "A verdict's snapshot was fetched when its claim was made, or later": (
        "UPDATE reconciliation_platformreport SET fetched_at = '2020-01-01'"
    ),
    "A provisional verdict has no effect on trust": (
        "ALTER TABLE reconciliation_reconciliationlog DROP CONSTRAINT verdict_provisional_earns_nothing;"
        "UPDATE reconciliation_reconciliationlog SET next_look_at = now() WHERE id = {verdict}"
    ),
    "A verdict's difference is the claim minus the truth, and unknown where either is": (
        "UPDATE reconciliation_platformreport SET views = views + 1 WHERE views > 0"
    ),
    "A post's counted verdict is that of the latest claim that has one": (
        "UPDATE reconciliation_poststate SET counted_verdict_id = NULL WHERE post_id = {post}"
    ),
    "A post's current verdict is the last word on its current claim": (
        "UPDATE reconciliation_poststate SET current_verdict_id = NULL, verdict = 'pending' WHERE post_id = {post}"
    ),
    "A post's latest snapshot is its latest, and it has been seen live since the first one that shows it": (
        "UPDATE reconciliation_poststate SET latest_snapshot_id = NULL WHERE post_id = {post}"
    ),
    "An override is of a counted verdict, and those of one verdict are numbered without a gap": (
        "UPDATE reconciliation_override SET number = 3"
    ),
    "An override has an event that says who decided": f"DELETE FROM {EVENT} 'verdict.overridden'",
    "A dispute is its affiliate's, about a counted verdict, and upheld by an override of that verdict": (
        "UPDATE reconciliation_dispute SET affiliate_id = gen_random_uuid()"
    ),
    "A dispute has an event that says who opened it, and one that says how it ended": (
        f"DELETE FROM {EVENT} 'dispute.opened'"
    ),
    "A dispute that nobody decided on in time is over soon": (
        "UPDATE reconciliation_dispute SET deadline_at = '2026-01-01'"
    ),
    "An override in a live campaign counts for trust in its verdict's place, and nothing else does": (
        "DELETE FROM reconciliation_trustevent WHERE number > 0"
    ),
    "What the data-quality rules noticed is about the claim and post of the verdict at which they did": (
        "UPDATE reconciliation_finding SET post_id = verdict_id"
    ),
    "A trust event is a counted verdict of a live campaign, and each of these has one": (
        "DELETE FROM reconciliation_trustevent WHERE verdict_id = {verdict}"
    ),
    "A decision counts for trust after the verdict that it stands for, and for the same claim": (
        "UPDATE reconciliation_trustevent SET number = 2 WHERE verdict_id = {verdict}"
    ),
    "Trust is a recount of its events: each content once a day, by its latest claim and the last word on it": (
        "UPDATE reconciliation_trustscore SET low = low + 1"
    ),
    "Trust on a platform is a recount of the events on it": "DELETE FROM reconciliation_platformtrust",
    "A trust score is what its counts come to by the policy that holds": (
        "UPDATE reconciliation_trustscore SET trust_score = 0.5002"
    ),
    "Blocks are numbered from 1 without a gap, and each names the hash of the one before": (
        "UPDATE reconciliation_block SET previous_sha256 = repeat('1', 64)"
    ),
    "A block has a receipt at each place from 1 to its count, and at no other": (
        "DELETE FROM reconciliation_sealedreceipt WHERE position = 2"
    ),
    "What lists and sums are read from is a recount of claims and verdicts": (
        "UPDATE reconciliation_dayrollup SET claimed_sum = claimed_sum + 1"
    ),
    "A run has events that say who asked for it, and who cancelled it": f"DELETE FROM {EVENT} 'run.requested'",
    "An over-claim's alert is that of a counted verdict, for the same post, that said MEDIUM or HIGH at some time": (
        "UPDATE reconciliation_reconciliationlog SET discrepancy_level = 'LOW' WHERE id = {verdict}"
    ),
    "Each counted MEDIUM or HIGH discrepancy has its alert soon": (
        "DELETE FROM alerts_alert WHERE verdict_id = {verdict}"
    ),
    "The alert of an over-claim that was decided to be none is resolved soon": (
        "UPDATE alerts_alert SET status = 'open', resolved_at = NULL WHERE kind = 'over_claim'"
    ),
    "Two affiliates who claim one content are an alert soon": "DELETE FROM alerts_alert WHERE kind = 'second_claimant'",
    "An alert that somebody acknowledged or resolved says who (but silence is nobody) and when, and has its event": (
        f"DELETE FROM {EVENT} 'alert.resolved'"
    ),
    "What is queued can be read, and is a task": "UPDATE django_q_ormq SET payload = payload || 'x'",
}


@pytest.fixture
def whole(scene):
    """A scene with all there is to check: resolved alerts, a decision, a refused attempt, a run, a sale, and what is
    queued."""
    alert, *_ = scene.open_alerts()
    alert_services.resolve(alert_id=alert.pk, by=scene.manager, note="Talked to them.")
    with pytest.raises(SecondClaimantError):
        submission.submit(
            affiliate=scene.anders,
            campaign=scene.campaign,
            platform=scene.posts["low"].platform,
            url=scene.posts["low"].url,
            figures=Figures(views=1),
        )
    decide(scene.posts["medium"].verdicts.get(), "LOW", by=scene.staff)
    disputing.dispute(verdict=scene.posts["low"].verdicts.get(), affiliate=scene.mila, text="These views are real.")
    tracked_sale(1, scene.staff)
    run_queued_tasks()
    runs.request_run(posts=Post.objects.filter(pk=scene.posts["low"].pk), by=scene.manager, scope={})
    with clock.at(clock.now() + timedelta(days=2)):
        assert list(sealing.seal())
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return scene


def test_nothing_is_broken_where_the_services_were_at_work(whole):
    assert broken(soon=True) == {}


@pytest.mark.parametrize("name", SABOTAGE)
def test_what_is_broken_is_told_by_its_name(whole, name):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # or PostgreSQL would refuse most of it
        cursor.execute(SABOTAGE[name].format(post=POST, verdict=VERDICT, copy=COPY_OF_A_VERDICT, later=A_CLAIM_LATER))
    found = broken(soon=True)
    assert name in found
    assert found[name]


def test_each_invariant_has_been_broken():
    assert {invariant.name for invariant in (APPEND_ONLY, QUEUE, *INVARIANTS)} == set(SABOTAGE)


def test_the_command_tells_people_and_programs_and_fails_where_something_is_broken(whole):
    said = StringIO()
    call_command("check_invariants", stdout=said)
    assert {line.split()[0] for line in said.getvalue().splitlines()} == {"ok"}
    PostState.objects.filter(post=whole.posts["high"]).update(counted_verdict=None)
    said, told = StringIO(), StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("check_invariants", stdout=said)
    with pytest.raises(SystemExit, match="1"):
        call_command("check_invariants", "--json", stdout=told)
    name = "A post's counted verdict is that of the latest claim that has one"
    assert f"BROKEN  {name}: 1, such as {whole.posts['high'].pk}" in said.getvalue()
    [found] = [finding for finding in json.loads(told.getvalue()) if finding["offenders"]]
    assert found == {"name": name, "offenders": 1, "ids": [str(whole.posts["high"].pk)]}

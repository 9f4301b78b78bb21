"""Staff look at posts, claims, snapshots, verdicts, rules, jobs and runs, and ask for another look."""

import pytest
from django.urls import reverse

from affiliates.models import AuditEvent
from campaigns.models import Post
from reconciliation.models import AffiliateReport, Job, PlatformReport, ReconciliationLog, RuleSet, Run
from reconciliation.services import rulesets, runs
from tests.staff import claimed_posts, client_for, judged_posts, superuser, told, with_permissions

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


def listed(table: str) -> str:
    return reverse(f"admin:{table}_changelist")


def page(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


@pytest.fixture
def staff():
    return superuser()


@pytest.fixture
def client(staff):
    return client_for(staff)


def chosen(action: str, rows) -> dict[str, object]:
    return {"action": action, "_selected_action": [str(row.pk) for row in rows]}


@pytest.mark.parametrize("model", [Post, AffiliateReport, PlatformReport, ReconciliationLog, Job])
def test_the_posts_behind_any_selection_are_looked_at_again(client, staff, model):
    posts = judged_posts(3)
    table = f"{model._meta.app_label}_{model._meta.model_name}"
    rows = list(model.objects.all())[:2]
    response = client.post(listed(table), chosen("reconcile_again", rows), follow=True)
    run = Run.objects.get()
    assert told(response) == [f'Looks asked for: 2. <a href="{page(run)}">See the run</a>']
    assert (run.requested_by, run.scope) == (staff, {"chosen_in": model._meta.label_lower})
    due = set(Job.objects.filter(state="due").values_list("post", flat=True))
    assert due == {getattr(row, "post", row).pk for row in rows}
    assert due < {post.pk for post in posts}
    assert AuditEvent.objects.get(action="run.requested").actor == staff


def test_a_posts_own_page_looks_again_and_stays(client):
    post = judged_posts(1)[0]
    response = client.post(page(post), {"action": "reconcile_again"})
    assert (response.status_code, response["Location"]) == (302, page(post))
    assert Run.objects.get().run_jobs.get().job.post == post


def test_a_run_that_is_refused_says_why(client, monkeypatch):
    monkeypatch.setattr(runs, "MAX_RUN_POSTS", 1)
    rows = judged_posts(2)
    response = client.post(listed("campaigns_post"), chosen("reconcile_again", rows), follow=True)
    assert told(response) == ["These are more than 1 posts: ask for fewer."]


def test_a_run_shows_how_far_it_is(client, staff):
    judged_posts(2)
    run = runs.request_run(posts=Post.objects.all(), by=staff, scope={})
    first = Job.objects.filter(state="due").latest("id")
    Job.objects.filter(pk=first.pk).update(state="dead", last_error="unavailable: http_503")
    for url in (page(run), listed("reconciliation_run")):
        assert "0 of 2 done, 1 dead, 0 discarded" in client.get(url).content.decode()
    assert "unavailable: http_503" in client.get(page(run)).content.decode()
    all_jobs = listed("reconciliation_job") + f"?run_jobs__run__id__exact={run.pk}"
    assert client.get(all_jobs).context["cl"].result_count == 2


def test_dead_jobs_are_tried_again_and_others_are_left(client, staff):
    claimed_posts(2)
    dead, due = Job.objects.order_by("id")
    Job.objects.filter(pk=dead.pk).update(state="dead", attempts=8)
    response = client.post(listed("reconciliation_job"), chosen("try_again", [dead, due]), follow=True)
    assert told(response) == ["Due again: 1 of 2. The others are not dead, or their post is looked at anyway."]
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("due", 0)
    assert AuditEvent.objects.get(action="job.retried").actor == staff
    again = client.post(listed("reconciliation_job"), chosen("try_again", [due]), follow=True)
    assert told(again)[0].startswith("Due again: 0 of 1.")


def test_a_jobs_page_offers_another_try_only_to_the_dead(client):
    claimed_posts(1)
    job = Job.objects.get()
    assert b'value="try_again"' not in client.get(page(job)).content
    Job.objects.update(state="dead")
    assert b'value="try_again"' in client.get(page(job)).content
    assert told(client.post(page(job), {"action": "try_again"}, follow=True)) == ["Due again: 1 of 1."]


def test_who_may_only_look_cannot_act():
    judged_posts(1)
    Job.objects.update(state="dead")
    views = [f"reconciliation.view_{name}" for name in ("job", "reconciliationlog", "affiliatereport")]
    client = client_for(with_permissions("campaigns.view_post", *views))
    job, post = Job.objects.get(), Post.objects.get()
    for url, action in ((page(job), "try_again"), (page(job), "reconcile_again"), (page(post), "reconcile_again")):
        assert b'name="action"' not in client.get(url).content
        assert client.post(url, {"action": action}).status_code == 403
    client.post(listed("reconciliation_job"), chosen("try_again", [job]))
    client.post(listed("campaigns_post"), chosen("reconcile_again", [post]))
    assert not Run.objects.exists()
    assert Job.objects.get().state == "dead"


def test_each_action_has_a_right_of_its_own():
    judged_posts(1)
    job, post = Job.objects.get(), Post.objects.get()
    Job.objects.update(state="dead")
    client = client_for(with_permissions("campaigns.view_post", "reconciliation.view_job", "reconciliation.add_run"))
    assert client.post(page(job), {"action": "try_again"}).status_code == 403
    client.post(page(post), {"action": "reconcile_again"})
    assert Run.objects.exists()


def test_a_posts_page_tells_what_was_claimed_found_and_concluded(client):
    post = judged_posts(1, views=12_345)[0]
    content = client.get(page(post)).content.decode()
    verdict = ReconciliationLog.objects.get()
    for text in ("12,345", "10,000", verdict.explanation, "Post 0", post.url, "Submission"):
        assert text in content
    for row in (verdict, verdict.affiliate_report, verdict.platform_report, Job.objects.get()):
        assert page(row) in content
    shown_to_few = client_for(with_permissions("campaigns.view_post")).get(page(post)).content.decode()
    assert verdict.explanation not in shown_to_few


def test_lists_of_posts_and_verdicts_are_filtered_by_the_word_of_the_verdict(client):
    high, medium = judged_posts(1, views=20_000)[0], judged_posts(1, views=10_900)[0]
    waiting = claimed_posts(1)[0]
    for word, posts in {"high": {high}, "medium": {medium}, "matched": set(), "x": {high, medium, waiting}}.items():
        found = client.get(listed("campaigns_post"), {"verdict": word}).context["cl"].result_list
        assert set(found) == posts
        found = client.get(listed("reconciliation_reconciliationlog"), {"verdict": word}).context["cl"].result_list
        assert {verdict.post for verdict in found} == posts - {waiting}


def test_counted_verdicts_are_told_from_those_for_now(client):
    judged_posts(1)
    url = listed("reconciliation_reconciliationlog")
    assert client.get(url, {"next_look_at": "no"}).context["cl"].result_count == 1
    assert client.get(url, {"next_look_at": "yes"}).context["cl"].result_count == 0


def test_a_post_that_nobody_claimed_has_a_row_and_a_page(client):
    post = claimed_posts(1)[0]
    post.pk, post.external_id, post.url = None, "unclaimed00", "https://www.youtube.com/watch?v=unclaimed00"
    post.id = type(post)._meta.pk.get_default()
    post.save(force_insert=True)
    assert client.get(listed("campaigns_post")).context["cl"].result_count == 2
    assert client.get(page(post)).status_code == 200


def test_a_rule_set_is_a_table_with_campaigns_by_name(client, staff):
    campaign = claimed_posts(1)[0].campaign
    cell = {"metric": None, "medium_from_pct": "12.5", "high_above_pct": "40", "floor": None}
    ruleset: RuleSet = rulesets.set_campaign_thresholds(campaign_id=campaign.pk, by=staff, cells=[cell])
    content = client.get(page(ruleset)).content.decode()
    for text in (f"Campaign: {campaign.campaign_name}", "12.5 %", "40 %", "5 %", "20 %", "50"):
        assert text in content

"""The verdict follows into the answer on Discord, over real HTTP to a Discord that the sandbox plays."""

import threading
import time
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from affiliates.models import Affiliate
from config import clock
from config.demo.seeding import run_queued_tasks
from reconciliation.discord import registration
from reconciliation.models import DiscordInteraction, ReconciliationLog
from reconciliation.services import telling
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.reconciliation.discord import TOKEN, linked, said, slash
from tests.reconciliation.support import NEVER_THERE
from tests.reconciliation.test_races import together

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("today")]


@pytest.fixture
def mila() -> Affiliate:
    return linked(AffiliateFactory())


@pytest.fixture
def submit(mila, world_post):
    campaign = CampaignFactory(campaign_name="Autumn Bowls")

    def submit(**given) -> DiscordInteraction:
        given = {"campaign": str(campaign.pk), "url": world_post("youtube").url, "views": 10**9} | given
        command = slash("submit", **given)
        said(command)
        return DiscordInteraction.objects.get(pk=command["id"])

    return submit


@pytest.fixture
def edits(sandbox):
    return sandbox.state.notes.discord.edits


def test_the_verdict_takes_the_promises_place(submit, edits, drain_all, settings):
    row = submit()
    assert TOKEN not in row.locked
    drain_all()
    run_queued_tasks()
    verdict = ReconciliationLog.objects.get()
    [edit] = edits
    assert (edit["application"], edit["token"]) == (settings.DISCORD_APPLICATION_ID, TOKEN)
    assert edit["body"]["allowed_mentions"] == {"parse": []}
    assert edit["body"]["content"].splitlines() == [
        "Taken: 1,000,000,000 views.",
        f"Autumn Bowls, YouTube: <{verdict.post.url}>",
        verdict.explanation,
    ]
    row.refresh_from_db()
    assert (row.told_at, row.tell_at, row.locked) == (TODAY, None, "")  # nothing else is to follow


def test_after_a_provisional_verdict_the_token_is_kept_for_the_next(submit, edits, drain_all):
    row = submit(url=NEVER_THERE)
    drain_all()
    run_queued_tasks()
    row.refresh_from_db()
    assert (len(edits), row.told_at, row.tell_at) == (1, TODAY, None)
    assert row.locked


def test_once_the_token_has_run_out_nothing_is_sent_and_it_is_forgotten(submit, edits, drain_all):
    row = submit()
    with clock.at(TODAY + timedelta(minutes=15)):
        drain_all()
        run_queued_tasks()
        telling.sweep()
    row.refresh_from_db()
    assert (edits, row.locked, row.told_at) == ([], "", None)
    assert ReconciliationLog.objects.count() == 1


@pytest.mark.parametrize(
    ("status", "retry_after", "wait_s"), [(429, 3.2, 4), (500, 0, 1), (503, 0, 1), (404, 0, 1)], ids=str
)
def test_what_goes_wrong_for_now_is_tried_again_in_time(submit, edits, drain_all, sandbox, status, retry_after, wait_s):
    row = submit()
    sandbox.state.notes.discord.set_faults(status, retry_after, 1)
    drain_all()
    run_queued_tasks()
    row.refresh_from_db()
    assert (edits, row.tell_at) == ([], TODAY + timedelta(seconds=wait_s))
    assert not telling.tell(interaction_id=row.pk)  # before that, nobody asks
    with clock.at(TODAY + timedelta(seconds=wait_s + 1)):
        assert telling.sweep() == 1
        run_queued_tasks()
    assert len(edits) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
def test_what_discord_will_not_take_is_not_tried_again(submit, edits, drain_all, sandbox, status):
    row = submit()
    sandbox.state.notes.discord.set_faults(status, 0, 1)
    drain_all()
    run_queued_tasks()
    row.refresh_from_db()
    assert (edits, row.locked, row.tell_at, row.told_at) == ([], "", None, None)


@pytest.mark.parametrize(("minutes", "told"), [(14, 1), (15, 0)])
def test_it_is_tried_for_as_long_as_the_token_lives(submit, edits, drain_all, sandbox, minutes, told):
    row = submit()
    sandbox.state.notes.discord.set_faults(500, 0, 1000)
    drain_all()
    run_queued_tasks()
    for minute in range(1, 20):
        if minute == minutes:
            sandbox.state.notes.discord.set_faults(500, 0, 0)
        with clock.at(TODAY + timedelta(minutes=minute)):
            telling.sweep()
            run_queued_tasks()
    row.refresh_from_db()
    assert (len(edits), row.locked, row.tell_at) == (told, "", None)


@pytest.mark.django_db(transaction=True)
def test_a_repeat_during_the_settling_waits_for_the_verdict(submit, drain_all, monkeypatch):
    submit()
    note_verdicts, noted = telling.note_verdicts, threading.Event()

    def slowly(verdicts):
        note_verdicts(verdicts)
        noted.set()
        time.sleep(0.5)

    def repeat():
        noted.wait(10)
        return submit()

    monkeypatch.setattr(telling, "note_verdicts", slowly)
    _, again = together(drain_all, repeat)
    verdict = ReconciliationLog.objects.get()
    assert again.answer["data"]["content"].splitlines()[-1] == verdict.explanation
    assert not again.locked  # nothing is to follow


def test_what_a_lost_worker_had_taken_is_taken_up_again(submit, edits, drain_all, monkeypatch):
    row = submit()
    drain_all()

    def die(**_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(telling.sending, "edit_answer", die)
        with pytest.raises(KeyboardInterrupt):
            telling.tell(interaction_id=row.pk)
    assert not telling.tell(interaction_id=row.pk)  # it may be at work yet
    with clock.at(TODAY + telling.LEASE + timedelta(seconds=1)):
        assert telling.sweep() == 1
        run_queued_tasks()
    assert len(edits) == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_tell_at_once_one_does(submit, edits, drain_all):
    row = submit()
    drain_all()
    told = together(*[lambda: telling.tell(interaction_id=row.pk)] * 8)
    assert sorted(told) == [False] * 7 + [True]
    assert len(edits) == 1


def test_discord_is_told_of_the_commands(sandbox, capsys, settings):
    call_command("discord_commands")
    call_command("discord_commands")
    known = sandbox.state.notes.discord.commands[settings.DISCORD_APPLICATION_ID]
    assert [command["name"] for command in known] == ["link", "submit", "status", "history", "Submit as post"]
    assert len(known) == len(registration.commands())
    assert "5 commands are registered." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "said_so"), [(401, "are the application's id and token right?"), (500, "Nothing was changed.")]
)
def test_why_discord_was_not_told_is_said(sandbox, status, said_so):
    sandbox.state.notes.discord.set_faults(status, 0, 1)
    with pytest.raises(CommandError, match=said_so.replace("?", r"\?")):
        call_command("discord_commands")


@pytest.mark.parametrize("name", ["DISCORD_APPLICATION_ID", "DISCORD_BOT_TOKEN"])
def test_without_an_application_there_is_nothing_to_tell(sandbox, settings, name):
    setattr(settings, name, "")
    with pytest.raises(CommandError, match=name):
        call_command("discord_commands")

"""The same interaction, and the same message, however often and however many at once: one claim, one answer."""

import threading
import time

import pytest
from django.db import connection, transaction

from campaigns.models import Post
from reconciliation.models import AffiliateReport, DiscordInteraction, Job
from reconciliation.services import submission
from reconciliation.services.admission import lock_all_contents
from tests.factories import TODAY, AffiliateFactory, CampaignFactory
from tests.reconciliation.discord import filled_in, linked, on_message, send, slash
from tests.reconciliation.test_races import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("today")]


@pytest.fixture
def given(world_post):
    linked(AffiliateFactory())
    return {"campaign": str(CampaignFactory().pk), "url": world_post("youtube").url, "views": 5}


def counted() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (AffiliateReport, Post, Job))


def test_an_interaction_that_comes_again_gets_the_same_answer_and_makes_nothing(given):
    command = slash("submit", **given)
    first = send(command)
    assert send(command) == first
    assert send(command | {"token": "another", "type": 2}) == first
    changed = slash("submit", **given | {"views": 6}) | {"id": command["id"]}
    assert send(changed) == first
    assert counted() == (1, 1, 1)


def test_sixteen_at_once_of_one_interaction_make_one_claim(given):
    command = slash("submit", **given)
    answers = together(*[lambda: send(command)] * 16)
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["data"]["content"].startswith("Taken")
    assert counted() == (1, 1, 1)


def test_eight_forms_of_one_message_at_once_make_one_claim(given):
    forms = [
        filled_in(send(on_message(given["url"])), values={"campaign": given["campaign"], "views": str(10 + n)})
        for n in range(8)
    ]
    answers = together(*[lambda form=form: send(form) for form in forms])
    texts = [answer["data"]["content"] for answer in answers]
    assert sum(text.startswith("Taken") for text in texts) == 1
    assert sum(text.startswith("This message is submitted already") for text in texts) == 7
    assert counted() == (1, 1, 1)


def test_while_a_whole_file_is_written_the_answer_comes_in_time(given):
    command, later = slash("submit", **given), slash("submit", **given)
    answers = []

    def send_from_elsewhere():
        answers.append(send(command))
        connection.close()

    with transaction.atomic():
        lock_all_contents()
        elsewhere = threading.Thread(target=send_from_elsewhere)
        started = time.monotonic()
        elsewhere.start()
        elsewhere.join()
        assert time.monotonic() - started < 3  # so long Discord waits
    assert "try again" in answers[0]["data"]["content"]
    assert counted() == (0, 0, 0)
    assert send(command) == answers[0]
    assert send(later)["data"]["content"].startswith("Taken")


def test_an_interaction_that_is_being_answered_is_waited_for_in_time_and_may_come_again(given, monkeypatch):
    monkeypatch.setattr(submission, "LOCK_WAIT_S", 0.2)
    command, answers = slash("submit", **given), []

    def send_from_elsewhere():
        answers.append(send(command))
        connection.close()

    with transaction.atomic():
        DiscordInteraction.objects.create(pk=command["id"], kind="command", token_expires_at=TODAY)
        elsewhere = threading.Thread(target=send_from_elsewhere)
        elsewhere.start()
        elsewhere.join()
        transaction.set_rollback(True)
    assert "try again" in answers[0]["data"]["content"]
    assert send(command)["data"]["content"].startswith("Taken")
    assert counted() == (1, 1, 1)


def test_what_breaks_off_leaves_neither_the_claim_nor_the_row(given, monkeypatch):
    def break_off(*args, **kwargs):
        raise RuntimeError("the lights went out")

    monkeypatch.setattr("reconciliation.discord.commands._taken", break_off)
    with pytest.raises(RuntimeError):
        send(slash("submit", **given))
    assert counted() == (0, 0, 0)
    assert not DiscordInteraction.objects.exists()

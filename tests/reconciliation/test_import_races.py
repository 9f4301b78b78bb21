"""Several at one file, in real threads: nobody waits for another, and one of them decides."""

import io
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections, transaction

from campaigns.models import Post
from config import clock
from config.errors import ConflictError
from reconciliation.errors import BusyError
from reconciliation.models import Import, ImportPart
from reconciliation.services import importing, submission
from reconciliation.services.admission import lock_all_contents
from tests.factories import TODAY, AffiliateFactory, CampaignFactory, UserFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("today")]

WAIT_S = 10


@pytest.fixture
def sent():
    """A file of one claim that waits for a decision."""
    affiliate, campaign = AffiliateFactory(), CampaignFactory()
    content = f"affiliate,campaign,url,claimed_views\n{affiliate.pk},{campaign.pk},https://youtu.be/00000000001,5\n"
    staff = UserFactory(is_staff=True)
    sent = importing.take_file(
        kind=Import.Kind.CLAIMS, file=io.BytesIO(content.encode()), name="claims.csv", by=staff, is_queued=False
    )
    importing.work(import_id=sent.pk)
    return sent


def elsewhere(call):
    """What a call comes to in a thread of its own, which is not to wait."""

    def run():
        try:
            return call()
        except ConflictError as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result(timeout=WAIT_S)


def apply(sent):
    return importing.apply_import(import_id=sent.pk, take=Import.Take.ALL, by=sent.created_by).take


def discard(sent):
    return importing.discard_import(import_id=sent.pk, by=sent.created_by).state


def test_nobody_waits_for_a_file_that_is_imported_as_a_whole(sent):
    apply(sent)
    with transaction.atomic():
        Import.objects.select_for_update().get(pk=sent.pk)  # as long as its rows are written
        assert elsewhere(lambda: importing.work(import_id=sent.pk)) is False
        assert elsewhere(lambda: discard(sent)) == "import_state"
    importing.work(import_id=sent.pk)
    assert Post.objects.count() == 1


@pytest.mark.parametrize("take", Import.Take)
def test_a_file_waits_until_another_is_written_and_no_worker_with_it(sent, take, monkeypatch):
    monkeypatch.setattr(submission, "LOCK_WAIT_S", 0.2)
    importing.apply_import(import_id=sent.pk, take=take, by=sent.created_by, is_queued=False)
    for turn in range(importing.MAX_ATTEMPTS + 1):
        with clock.at(TODAY + turn * timedelta(seconds=BusyError.retry_after_s)), transaction.atomic():
            lock_all_contents()
            assert elsewhere(lambda: importing.work(import_id=sent.pk)) is False
    assert not Post.objects.exists()
    with clock.at(TODAY + importing.LEASE):
        assert importing.sweep() == 1
        importing.work(import_id=sent.pk)
    sent.refresh_from_db()
    assert (sent.state, Post.objects.count()) == ("applied", 1)


def test_of_those_who_decide_at_once_one_is_heard(sent):
    start = threading.Barrier(8)

    def at_once(decide):
        start.wait(WAIT_S)
        return elsewhere(lambda: decide(sent))

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(at_once, [apply, discard] * 4))
    assert answers.pop("import_state") == 7
    [decision] = answers
    sent.refresh_from_db()
    assert sent.state == {"all": "applying", "discarded": "discarded"}[str(decision)]
    assert ImportPart.objects.exists() == (sent.state == "applying")

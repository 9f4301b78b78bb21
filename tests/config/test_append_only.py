"""What is only ever added: refused in Python, and by PostgreSQL itself."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction

from affiliates.services import audit
from campaigns.tracking.conversions import Postback, take_postback
from config import clock
from config.models import AppendOnly, AppendOnlyError
from reconciliation.models import ReconciliationLog
from reconciliation.services import examining, sealing, taking_back
from tests.factories import AffiliateFactory, CampaignFactory, TrackingLinkFactory
from tests.reconciliation.test_overriding import decide

APPEND_ONLY = [model for model in apps.get_models() if issubclass(model, AppendOnly)]


@pytest.fixture
def _rows(claim, drain_all, world_post, today):
    """One row at least in every append-only table, made by the real flow."""

    affiliate = AffiliateFactory()
    claim(affiliate, CampaignFactory(), world_post(), 10, clicks=20)  # odd, so that there is a finding
    drain_all()
    examining.examine()
    verdict = ReconciliationLog.objects.get()
    decide(verdict, "UNVERIFIABLE")
    taking_back.withdraw(claim=verdict.affiliate_report, reason="mistyped", by=affiliate.user)
    with clock.at(clock.now() + timedelta(days=2)):
        assert list(sealing.seal())

    audit(actor=affiliate.user, action="test", row=affiliate)
    link = TrackingLinkFactory()
    sale = Postback("T-1", Decimal(1), "USD", "pending", "0" * 64, code=link.code)
    take_postback(campaign=link.campaign, postback=sale)


def test_the_tables_of_record_are_append_only():
    assert {model.__name__ for model in APPEND_ONLY} == {
        "AffiliateReport",
        "AuditEvent",
        "Block",
        "ClaimWithdrawal",
        "ConversionEvent",
        "Finding",
        "Override",
        "PlatformReport",
        "ReconciliationLog",
        "RuleSet",
        "SealedReceipt",
        "TrustEvent",
    }


@pytest.mark.django_db
@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", APPEND_ONLY, ids=lambda model: model.__name__)
@pytest.mark.parametrize("sql", ["UPDATE {} SET created_at = now()", "DELETE FROM {}"])
def test_postgresql_refuses_to_change_or_delete(model, sql):
    assert model.objects.exists()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.format(model._meta.db_table))


@pytest.mark.django_db
@pytest.mark.usefixtures("_rows")
@pytest.mark.parametrize("model", APPEND_ONLY, ids=lambda model: model.__name__)
def test_the_model_refuses_too(model):
    row = model.objects.first()
    for refused in (
        row.save,
        row.delete,
        model.objects.all().delete,
        lambda: model.objects.update(created_at=None),
        lambda: model.objects.bulk_update([row], ["created_at"]),
    ):
        with pytest.raises(AppendOnlyError):
            refused()

"""Every migration can be taken back, and made again."""

import pytest
from django.core.management import call_command
from django.db import connection

ORDER = ["affiliates", "platforms", "campaigns", "reconciliation", "alerts"]


def _tables() -> set[str]:
    return {name for name in connection.introspection.table_names() if name.split("_")[0] in ORDER}


@pytest.mark.django_db(transaction=True)
def test_every_migration_reverses_and_applies_again():
    before = _tables()
    assert before
    call_command("migrate", "admin", "zero", verbosity=0)  # its log points at our users
    for app in reversed(ORDER):
        call_command("migrate", app, "zero", verbosity=0)
    assert not _tables()
    call_command("migrate", verbosity=0)
    assert _tables() == before


@pytest.mark.django_db
def test_no_model_change_waits_for_its_migration():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)

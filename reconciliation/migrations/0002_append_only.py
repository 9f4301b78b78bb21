from django.db import migrations

from config.models import append_only

TABLES = ("affiliatereport", "platformreport", "reconciliationlog", "ruleset", "trustevent")


class Migration(migrations.Migration):
    """PostgreSQL itself refuses to change what is only ever added."""

    dependencies = [("reconciliation", "0001_initial")]
    operations = [append_only(f"reconciliation_{table}") for table in TABLES]

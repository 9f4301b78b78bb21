from django.db import migrations

from config.models import append_only


class Migration(migrations.Migration):
    """PostgreSQL itself refuses to change what is only ever added."""

    dependencies = [("affiliates", "0001_initial")]
    operations = [append_only("affiliates_auditevent")]

import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations


class Migration(migrations.Migration):
    """Posts are found by a part of their title."""

    dependencies = [("campaigns", "0005_post_links")]
    operations = [
        TrigramExtension(),
        migrations.AddIndex(
            model_name="posttext",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Upper("title"), name="gin_trgm_ops"
                ),
                name="posttext_title",
            ),
        ),
    ]

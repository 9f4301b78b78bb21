"""`manage.py import_affiliates`: import affiliates from a CSV or XLSX file. Harmless to repeat.

The exit status is 0 when every row was taken, 3 when some were refused and the good ones imported, 1 when nothing was.
"""

from reconciliation.management.importing import ImportCommand
from reconciliation.models import Import


class Command(ImportCommand):
    help = "Import affiliates from a CSV or XLSX file."
    kind = Import.Kind.AFFILIATES

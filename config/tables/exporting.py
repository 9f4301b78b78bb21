"""Tables of the product as they are exported: which columns, under which stable names, from which rows.

The database's rows go to the file as they come, by a cursor on the server: one query, and memory for some of them at a
time, however many there are.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.expressions import Combinable
from django.http import StreamingHttpResponse

from config.tables.writing import Format, table_response

ROWS_AT_A_TIME = 2_000
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Export:
    """A table: `columns` gives of each name its look-up path, or an expression.

    `advertiser_only` names the columns that are the advertiser's side's alone, and `advertiser` the path to whose a row
    is: elsewhere those columns are empty.
    """

    name: str
    columns: Mapping[str, str | Combinable]
    advertiser: str = ""
    advertiser_only: Collection[str] = ()

    def rows(self, queryset: "QuerySet[Any]", *, own_advertisers: Collection[Any] | None) -> Iterator[Sequence[Any]]:
        """The rows in the queryset's order. `own_advertisers`: those whose money and rules may be seen; None: all."""
        shown = [self._shown(column, own_advertisers) for column in self.columns]
        rows = queryset.prefetch_related(None).values_list(*shown)
        return iter(rows.iterator(chunk_size=ROWS_AT_A_TIME))

    def response(
        self, queryset: "QuerySet[Any]", format: Format, *, own_advertisers: Collection[Any] | None
    ) -> StreamingHttpResponse:
        """The table as a download."""
        log.info("table_exported", table=self.name, format=format.value)
        rows = self.rows(queryset, own_advertisers=own_advertisers)
        return table_response(format, name=self.name, columns=list(self.columns), rows=rows)

    def _shown(self, column: str, own: Collection[Any] | None) -> str | Combinable:
        path = self.columns[column]
        if own is None or column not in self.advertiser_only:
            return path
        value = F(path) if isinstance(path, str) else path
        return Case(When(**{f"{self.advertiser}__in": own}, then=value), default=Value(None))

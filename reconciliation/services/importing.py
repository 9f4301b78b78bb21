"""Importing files: taken, checked row by row, and then imported as whoever sent them decides.

The work goes some hundred rows at a time, each with its rows' outcomes and the place in the file in one transaction,
under a lease: whoever goes on after a death goes on there. All or nothing is one transaction for the whole file.
"""

import hashlib
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import BinaryIO
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.db.models import Count, F, Q

from affiliates.models import User
from affiliates.services import audit
from config import clock
from config.errors import ConflictError
from config.ids import new_id
from config.middleware import current_request_id
from config.queue import enqueue
from config.tables.errors import FileRefusedError
from config.tables.reading import Row, open_table
from config.tables.scanning import check_upload
from reconciliation.errors import BusyError, ImportRefusedError
from reconciliation.imports.affiliates import Affiliates
from reconciliation.imports.campaigns import Campaigns
from reconciliation.imports.claims import Claims
from reconciliation.imports.kinds import Kind, Outcome, Result
from reconciliation.models import Import, ImportPart, ImportRow
from reconciliation.services.admission import lock_all_contents
from reconciliation.services.submission import without_long_waits

KINDS: dict[str, Kind] = {
    Import.Kind.CLAIMS: Claims(),
    Import.Kind.CAMPAIGNS: Campaigns(),
    Import.Kind.AFFILIATES: Affiliates(),
}
PART_BYTES = 1024 * 1024
MAX_CHUNKS_AS_A_WHOLE = 40
"""What a worker imports in one transaction within the time of a task; `manage.py import_claims` has no such limit."""
TURN_S = 8
"""So long a worker stays with one file, once it has found its place there, before others have their turn. To find it
near the end of the largest workbook takes about as long again, and the time of a task is 30 seconds."""
LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 5
"""So often some work is begun without coming on, before it is given up."""
TOO_LONG = "If it was to be imported as a whole, take the good rows, or use the command."
FORGOTTEN_AFTER = timedelta(seconds=2)
KEPT_FOR = timedelta(days=7)
IMPORTED_BEFORE = "imported_before"

Progress = Callable[[int], None]


class _RefusedRowError(Exception):
    """A row of a file that was to be imported as a whole is refused."""

    def __init__(self, row: Row, result: Result) -> None:
        self.row, self.result = row, result


@dataclass(frozen=True, slots=True)
class _Work:
    """An import that is held by whoever works on it, its file at hand."""

    of: Import
    kind: Kind
    by: User
    file: BinaryIO
    turn_s: float

    def chunks(self) -> Iterator[list[Row]]:
        """All rows of the file, as many at a time as are written together. Raises FileRefusedError."""
        table = open_table(self.file, name=self.of.file_name, columns=self.kind.columns, required=self.kind.required)
        rows = iter(table)
        while chunk := list(islice(rows, self.kind.chunk_rows)):
            yield chunk

    def transaction(self) -> AbstractContextManager[None]:
        """Raises BusyError rather than keep a worker waiting; who has no end of time waits."""
        return transaction.atomic() if self.turn_s == math.inf else without_long_waits()


# --- What people decide


def take_file(*, kind: Import.Kind, file: BinaryIO, name: str, by: User, is_queued: bool = True) -> Import:
    """Take a file in and have it looked through. Raises FileRefusedError and ScannerUnavailableError."""
    check_file(kind=kind, file=file, name=name)
    return keep_file(kind=kind, file=file, name=name, by=by, is_queued=is_queued)


def check_file(*, kind: Import.Kind, file: BinaryIO, name: str) -> None:
    """Let a file pass. It may take as long as the scanner does, so that no transaction should be open.

    Raises FileRefusedError for what can be told from its beginning, and where the scanner says so, and
    ScannerUnavailableError.
    """
    check_upload(file, name=_base_name(name))
    open_table(file, name=_base_name(name), columns=KINDS[kind].columns, required=KINDS[kind].required)


def keep_file(*, kind: Import.Kind, file: BinaryIO, name: str, by: User, is_queued: bool = True) -> Import:
    """Keep a file that was checked, and have it looked through."""
    file.seek(0)
    digest = hashlib.sha256()
    with transaction.atomic():
        taken = Import.objects.create(
            kind=kind,
            file_name=_base_name(name),
            size_bytes=0,
            created_by=by,
            livemode=by.livemode,
            request_id=current_request_id(),
        )
        for number, data in enumerate(iter(lambda: file.read(PART_BYTES), b"")):
            digest.update(data)
            taken.size_bytes += len(data)
            ImportPart.objects.create(of=taken, number=number, data=data)
        taken.digest = digest.hexdigest()
        taken.save(update_fields=["digest", "size_bytes"])
        audit(actor=by, action="import.taken", row=taken, changes={"kind": kind, "digest": taken.digest})
        if is_queued:
            enqueue("reconciliation.tasks.work_on_import", str(taken.pk))
    return taken


def _base_name(name: str) -> str:
    return name.rpartition("/")[2].rpartition("\\")[2][-255:]


@transaction.atomic
def apply_import(*, import_id: UUID, take: Import.Take, by: User, is_queued: bool = True) -> Import:
    """Import a file that has been checked: all rows or none, or the good ones.

    Raises ConflictError unless it waits for that, and ImportRefusedError where it can't be imported in this way.
    """
    current = _waiting(import_id)
    refused = current.rows_of(Outcome.REFUSED)
    if take == Import.Take.ALL and refused:
        raise ImportRefusedError(
            f"{refused:,} of the rows are refused, so it can't be imported as a whole.",
            field="rows",
            code="rows_refused",
        )
    if take == Import.Take.ALL and is_queued and not fits_as_a_whole(current):
        most = MAX_CHUNKS_AS_A_WHOLE * KINDS[current.kind].chunk_rows
        raise ImportRefusedError(
            f"All or nothing goes up to {most:,} {current.kind} here: import the good rows, or "
            f"use manage.py import_{current.kind}.",
            field="rows",
            code="too_many_rows",
        )
    current.state, current.take, current.error = Import.State.APPLYING, take, ""
    current.rows_done, current.last_line, current.lease, current.leased_until = 0, 1, None, None
    current.attempts = 0
    current.save()
    audit(actor=by, action="import.decided", row=current, changes={"take": take})
    if is_queued:
        enqueue("reconciliation.tasks.work_on_import", str(current.pk))
    return current


@transaction.atomic
def discard_import(*, import_id: UUID, by: User) -> Import:
    """Import nothing of it. Raises ConflictError unless it waits for that."""
    current = _waiting(import_id)
    _end(current, Import.State.DISCARDED)
    audit(actor=by, action="import.discarded", row=current)
    return current


def _waiting(import_id: UUID) -> Import:
    """Locks a file that waits for a decision. Raises ConflictError, at once where somebody is at it."""
    free = Import.objects.select_for_update(skip_locked=True).filter(pk=import_id, state=Import.State.CHECKED)
    waiting: Import | None = free.first()
    if waiting is None:
        now = Import.objects.get(pk=import_id)
        stands = "being decided on" if now.state == Import.State.CHECKED else now.get_state_display().lower()
        raise ConflictError(f"This file is {stands}.", code="import_state")
    return waiting


def fits_as_a_whole(current: Import) -> bool:
    """Whether a worker can import all rows of a file that was checked in one transaction."""
    return (current.rows_total or 0) <= MAX_CHUNKS_AS_A_WHOLE * KINDS[current.kind].chunk_rows


# --- The work


def work(*, import_id: UUID, turn_s: float = TURN_S, on_progress: Progress = lambda done: None) -> bool:
    """Go on with a file that is being checked or imported, for about `turn_s`; returns whether there is more to do.
    Does nothing where somebody else is at it. Who has no end of time (infinite) may import any file as a whole."""
    held = _lease(import_id)
    if held is None:
        return False
    if held.attempts > MAX_ATTEMPTS:
        _fail(held, f"This was given up after {MAX_ATTEMPTS} attempts; what was imported is marked. {TOO_LONG}")
        return False
    as_a_whole = held.state == Import.State.APPLYING and held.take == Import.Take.ALL
    if as_a_whole and turn_s != math.inf and not fits_as_a_whole(held):
        _fail(held, "The command that was to import it as a whole did not come to its end: nothing was imported.")
        return False
    with _file_of(held) as file:
        task = _Work(held, KINDS[held.kind], _author(held), file, turn_s)
        try:
            if as_a_whole:
                _import_as_a_whole(task, on_progress)
                return False
            return _go_on(task, on_progress)
        except FileRefusedError as refusal:
            _fail(held, refusal.message)
            return False
        except BusyError as busy:
            _put_off(held, busy.retry_after_s)
            return False


def sweep() -> int:
    """Wake the work that the queue forgot, and let go of files that nobody decided on. Returns how many were woken."""
    now = clock.now()
    at_work = Import.objects.filter(state__in=[Import.State.CHECKING, Import.State.APPLYING])
    free = Q(leased_until__lte=now) | Q(leased_until=None, created_at__lte=now - FORGOTTEN_AFTER)
    forgotten = list(at_work.filter(free).values_list("pk", flat=True)[:20])
    for pk in forgotten:
        enqueue("reconciliation.tasks.work_on_import", str(pk))
    undecided = Import.objects.filter(state=Import.State.CHECKED, created_at__lte=now - KEPT_FOR)
    for pk in list(undecided.values_list("pk", flat=True)[:20]):
        with suppress(ConflictError), transaction.atomic():
            _end(_waiting(pk), Import.State.DISCARDED)
    return len(forgotten)


def _go_on(task: _Work, on_progress: Progress) -> bool:
    """A chunk after the other: what is not committed is done again."""
    is_check = task.of.state == Import.State.CHECKING
    seen: dict[Hashable, int] = {}
    until = None
    for chunk in task.chunks():
        first = {row.line: seen.setdefault(key, row.line) for row, key in _keys(task, chunk)} if is_check else {}
        rows = [row for row in chunk if row.line > task.of.last_line]
        if not rows:
            continue
        until = until or time.monotonic() + task.turn_s
        with task.transaction():
            if not _still_held(task.of):
                return False
            if is_check:
                _check(task, rows, first)
            else:
                _import(task, rows)
            _note_place(task.of, rows)
        on_progress(task.of.rows_done)
        if time.monotonic() >= until:
            _let_go(task.of)
            return True
    with transaction.atomic():
        if _still_held(task.of):
            _finish(task.of)
    return False


def _check(task: _Work, rows: Sequence[Row], first: Mapping[int, int]) -> None:
    """Say what each row would come to. `first` tells the first line that names the same as a line."""
    results: dict[int, Result] = _imported_before(task, rows)
    results |= {row.line: Result(Outcome.REFUSED, code="unreadable", reason=row.problem) for row in rows if row.problem}
    for row in rows:
        if row.line not in results and first[row.line] != row.line:
            reason = f"The same as line {first[row.line]}, and a file may name it once."
            results[row.line] = Result(Outcome.REFUSED, code="duplicate_row", reason=reason)
    asked = [row for row in rows if row.line not in results]
    previewed = task.kind.preview([row.values for row in asked], by=task.by)
    results |= {row.line: result for row, result in zip(asked, previewed, strict=True)}
    current, words = task.of, Counter(str(result.outcome) for result in results.values())
    current.outcomes = {word: current.rows_of(word) + words[word] for word in {*current.outcomes, *words}}
    ImportRow.objects.bulk_create(
        [ImportRow(of=task.of, line=row.line, **_columns(results[row.line])) for row in rows], ignore_conflicts=True
    )


def _import(task: _Work, rows: Sequence[Row]) -> list[tuple[Row, Result]]:
    """Take those of these rows that were found good; returns what came of them."""
    forecast = {row.line: row for row in task.of.rows.filter(line__in=[row.line for row in rows])}
    good = [row for row in rows if row.line in forecast and forecast[row.line].outcome != Outcome.REFUSED]
    before = _imported_before(task, good)
    asked = [row for row in good if row.line not in before]
    results = list(zip(asked, task.kind.write([row.values for row in asked], by=task.by), strict=True))
    _write_results(task.of, before | {row.line: result for row, result in results})
    return results


def _import_as_a_whole(task: _Work, on_progress: Progress) -> None:
    """All rows, or none and the reason why."""
    try:
        with task.transaction():
            if task.of.kind == Import.Kind.CLAIMS:
                lock_all_contents()  # before any row, and before the file's own
            if not _still_held(task.of):
                return
            done = 0
            for rows in task.chunks():
                refused = [(row, result) for row, result in _import(task, rows) if result.outcome == Outcome.REFUSED]
                if refused:
                    raise _RefusedRowError(*refused[0])
                done += len(rows)
                on_progress(done)
            task.of.rows_done = done
            _finish(task.of)
    except _RefusedRowError as error:
        reason = f"Nothing was imported: line {error.row.line} is refused now. {error.result.reason}"
        with transaction.atomic():
            _write_results(task.of, {error.row.line: error.result}, is_done=False)
            changes = {"state": Import.State.CHECKED, "error": reason[:500], "lease": None, "leased_until": None}
            Import.objects.filter(pk=task.of.pk, lease=task.of.lease).update(
                **changes, take="", outcomes=_counted(task.of), rows_done=0
            )


def _imported_before(task: _Work, rows: Sequence[Row]) -> dict[int, Result]:
    """The lines that an earlier import of this very file has taken: nothing is to be done for them again, whatever was
    claimed since. What its importer may not see was not imported before, for them."""
    done = ImportRow.objects.filter(
        of__digest=task.of.digest,
        of__kind=task.of.kind,
        of__livemode=task.of.livemode,
        is_done=True,
        line__in=[row.line for row in rows],
    ).exclude(outcome=Outcome.REFUSED)
    earlier = dict(done.values_list("line", "object_id"))
    visible = task.kind.visible_to(task.by).filter(pk__in=set(earlier.values())) if earlier else ()
    theirs = {row.pk for row in visible}
    return {
        line: Result(Outcome.UNCHANGED, object_id, code=IMPORTED_BEFORE, reason="Imported before.")
        for line, object_id in earlier.items()
        if object_id in theirs
    }


def _keys(task: _Work, rows: Sequence[Row]) -> list[tuple[Row, Hashable]]:
    """These rows as far as they can be read, each with what a file may name once only; its line where nobody knows."""
    readable = [row for row in rows if not row.problem]
    keys = task.kind.keys([row.values for row in readable], by=task.by)
    return [(row, row.line if key is None else key) for row, key in zip(readable, keys, strict=True)]


# --- Keeping it


def _columns(result: Result) -> dict[str, object]:
    return {
        "outcome": result.outcome,
        "field": result.field[:40],
        "code": result.code[:40],
        "reason": result.reason[:300],
        "object_id": result.object_id,
    }


def _write_results(current: Import, results: Mapping[int, Result], *, is_done: bool = True) -> None:
    """Set the outcomes of these lines, in one statement."""
    rows = [{"line": line, **_columns(result)} for line, result in results.items()]
    names = ("outcome", "field", "code", "reason", "object_id")
    with database.cursor() as cursor:
        cursor.execute(
            """
            UPDATE reconciliation_importrow AS row
            SET outcome = new.outcome, field = new.field, code = new.code, reason = new.reason,
                object_id = new.object_id, is_done = %s
            FROM unnest(%s::int[], %s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[])
                AS new (line, outcome, field, code, reason, object_id)
            WHERE row.of_id = %s AND row.line = new.line
            """,
            [is_done, [row["line"] for row in rows], *([row[name] for row in rows] for name in names), current.pk],
        )


@transaction.atomic
def _lease(import_id: UUID) -> Import | None:
    """Passes over a row that is locked: an import as a whole outlives its lease, and nobody is to wait for it."""
    now = clock.now()
    free = Import.objects.filter(Q(leased_until=None) | Q(leased_until__lte=now), pk=import_id)
    at_work = free.filter(state__in=[Import.State.CHECKING, Import.State.APPLYING]).select_related("created_by")
    held: Import | None = at_work.select_for_update(of=("self",), skip_locked=True).first()
    if held is None:
        return None
    held.lease, held.leased_until, held.attempts = new_id(), now + LEASE, held.attempts + 1
    held.save(update_fields=["lease", "leased_until", "attempts"])
    return held


def _still_held(current: Import) -> bool:
    """Locks the row for the rest of the transaction."""
    return Import.objects.select_for_update(of=("self",)).filter(pk=current.pk, lease=current.lease).exists()


def _note_place(current: Import, rows: Sequence[Row]) -> None:
    current.rows_done += len(rows)
    current.last_line = rows[-1].line
    Import.objects.filter(pk=current.pk).update(
        rows_done=current.rows_done,
        last_line=current.last_line,
        outcomes=current.outcomes,
        leased_until=clock.now() + LEASE,
        attempts=0,
    )


def _let_go(current: Import) -> None:
    """For the next turn, which is queued."""
    with transaction.atomic():
        if Import.objects.filter(pk=current.pk, lease=current.lease).update(lease=None, leased_until=None):
            enqueue("reconciliation.tasks.work_on_import", str(current.pk))


def _put_off(current: Import, wait_s: int) -> None:
    """Until somebody else's file is written; the sweep comes back to it. That was no attempt."""
    Import.objects.filter(pk=current.pk, lease=current.lease).update(
        lease=None, leased_until=clock.now() + timedelta(seconds=wait_s), attempts=F("attempts") - 1
    )


def _finish(current: Import) -> None:
    current.outcomes = _counted(current)
    if current.state == Import.State.APPLYING:
        _end(current, Import.State.APPLIED)
    else:
        done = {"state": Import.State.CHECKED, "rows_total": current.rows_done, "lease": None, "leased_until": None}
        Import.objects.filter(pk=current.pk).update(**done, outcomes=current.outcomes)


def _counted(current: Import) -> dict[str, int]:
    return dict(current.rows.order_by().values_list("outcome").annotate(n=Count("pk")))


def _fail(current: Import, reason: str) -> None:
    """The file turned out to be no table after all, or we can't get through it."""
    with transaction.atomic():
        if _still_held(current):
            current.error = reason[:500]
            _end(current, Import.State.FAILED)


def _end(current: Import, state: Import.State) -> None:
    ImportPart.objects.filter(of=current).delete()
    Import.objects.filter(pk=current.pk).update(
        state=state,
        error=current.error,
        outcomes=current.outcomes,
        rows_done=current.rows_done,
        finished_at=clock.now(),
        lease=None,
        leased_until=None,
    )
    current.state = state


def _author(current: Import) -> User:
    """Who sent the file, who sees the world they saw then."""
    by: User = current.created_by
    by.livemode = current.livemode
    return by


@contextmanager
def _file_of(current: Import) -> Iterator[BinaryIO]:
    """The file, put together again on disk."""
    with tempfile.TemporaryFile() as file:
        for data in current.parts.order_by("number").values_list("data", flat=True).iterator(chunk_size=4):
            file.write(data)
        yield file

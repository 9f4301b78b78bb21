"""The floor: the rows that settling comes to, written by nothing but `INSERT … SELECT` and `UPDATE … FROM`.

What ours has written once is kept in staging tables, cut into chunks; the floor copies it from there into the very same
tables, one transaction a chunk. It knows no column by name but those it joins by, so it always writes what ours writes.
"""

import psycopg
from django.db import connection, transaction

from reconciliation.trust import KINDS
from tests.bench.harness import execute, fetch

CHUNK = 1_000
ADDED = {
    "reconciliation_platformreport": "row.post_id",
    "reconciliation_platformreportbody": "(SELECT post_id FROM reconciliation_platformreport p"
    " WHERE p.id = row.platform_report_id)",
    "reconciliation_reconciliationlog": "row.post_id",
    "reconciliation_unexamined": "(SELECT post_id FROM reconciliation_reconciliationlog v WHERE v.id = row.verdict_id)",
    "reconciliation_trustevent": "row.post_id",
}
"""What settling adds, in the order of its foreign keys, and whose post each row is."""
CHANGED = {
    "campaigns_post": "id",
    "campaigns_posttext": "post_id",
    "reconciliation_poststate": "post_id",
}
"""What settling changes, and the column that names the post."""
JOBS, HINTS = "reconciliation_job", "django_q_ormq"
_KINDS = [kind.lower() for kind in KINDS]
_COUNTED = ", ".join(f"count(*) FILTER (WHERE kind = '{kind}')" for kind in KINDS)
_ADDED_UP = ", ".join(f"{name} = row.{name} + EXCLUDED.{name}" for name in _KINDS)
SCORES = f"""
    INSERT INTO reconciliation_trustscore AS row (affiliate_id, trust_score, updated_at, {", ".join(_KINDS)})
    SELECT affiliate_id, 1, now(), {_COUNTED}
    FROM stage_reconciliation_trustevent WHERE chunk = %s AND kind <> 'NONE' GROUP BY affiliate_id
    ON CONFLICT (affiliate_id) DO UPDATE SET {_ADDED_UP},
        trust_score = (row.accurate_submissions + EXCLUDED.matched + EXCLUDED.low)::numeric
            / GREATEST(row.total_submissions + {" + ".join(f"EXCLUDED.{name}" for name in _KINDS)}, 1),
        updated_at = EXCLUDED.updated_at
"""
SHARES = f"""
    INSERT INTO reconciliation_platformtrust AS row (trust_id, platform_id, {", ".join(_KINDS)})
    SELECT affiliate_id, platform_id, {_COUNTED}
    FROM stage_reconciliation_trustevent WHERE chunk = %s AND kind <> 'NONE' GROUP BY affiliate_id, platform_id
    ON CONFLICT (trust_id, platform_id) DO UPDATE SET {_ADDED_UP}
"""


def stage(settled: str) -> None:
    """Fill staging tables, in the database in use, with what `settled`, its copy that ours has worked off, has more or
    otherwise."""
    with psycopg.connect(_address(settled)) as source:
        source.execute(
            f"""
            CREATE TEMPORARY TABLE chunk AS
            SELECT post_id, (row_number() OVER (ORDER BY post_id) - 1) / {CHUNK} AS chunk
            FROM reconciliation_poststate;
            ALTER TABLE chunk ADD PRIMARY KEY (post_id);
            ANALYZE chunk
            """
        )
        for table, post in (ADDED | {name: f"row.{key}" for name, key in CHANGED.items()}).items():
            _copy(source, table, f"SELECT row.*, chunk FROM {table} row JOIN chunk ON chunk.post_id = {post}")
        jobs = f"SELECT row.*, chunk FROM {JOBS} row JOIN chunk ON chunk.post_id = row.post_id"
        _copy(source, JOBS, f"{jobs} WHERE row.state = 'done'")
        _copy(source, JOBS, f"{jobs} WHERE row.state = 'due'", to="next")
        chunks = f"ceil((SELECT count(*) FROM reconciliation_poststate) / {CHUNK}.0)::int"
        _copy(source, HINTS, f"SELECT row.*, ntile({chunks}) OVER (ORDER BY id) - 1 FROM {HINTS} row")


def chunks() -> int:
    """How many there are to write."""
    [[number]] = fetch("SELECT max(chunk) + 1 FROM stage_reconciliation_poststate")
    return int(number)


def write(database: str) -> int:
    """Write all of the chunks; returns how many posts that was."""
    statements = _statements()
    for number in range(chunks()):
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, [number])
    [[posts]] = fetch("SELECT count(*) FROM stage_reconciliation_poststate")
    return int(posts)


def _statements() -> list[str]:
    found = [_insertion(table, table) for table in ADDED]
    found += [_update(table, key) for table, key in CHANGED.items()]
    found += [_update(JOBS, "id"), _insertion(JOBS, "next"), SCORES, SHARES, _insertion(HINTS, HINTS)]
    return found


def _insertion(table: str, staged: str) -> str:
    names = ", ".join(f'"{name}"' for name in _columns(table))
    return f"INSERT INTO {table} ({names}) OVERRIDING USER VALUE SELECT {names} FROM stage_{staged} WHERE chunk = %s"


def _update(table: str, key: str) -> str:
    """Of the columns that settling changes, and of no other."""
    differs = ", ".join(f'bool_or(row."{name}" IS DISTINCT FROM new."{name}")' for name in _columns(table))
    [found] = fetch(f"SELECT {differs} FROM {table} row JOIN stage_{table} new USING ({key}) WHERE chunk = 0")
    changed = [name for name, is_changed in zip(_columns(table), found, strict=True) if is_changed]
    values = ", ".join(f'"{name}" = new."{name}"' for name in changed)
    return f"UPDATE {table} AS row SET {values} FROM stage_{table} new WHERE row.{key} = new.{key} AND chunk = %s"


def _columns(table: str) -> list[str]:
    """Those that can be written."""
    rows = fetch(
        """
        SELECT attname FROM pg_attribute
        WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
        """,
        [table],
    )
    return [name for (name,) in rows]


def _copy(source: psycopg.Connection, table: str, query: str, *, to: str = "") -> None:
    staged = f"stage_{to or table}"
    execute(f"CREATE TABLE {staged} (LIKE {table}, chunk int)")
    with connection.cursor() as cursor:
        copying_out = source.cursor().copy(f"COPY ({query}) TO STDOUT")
        with copying_out as outgoing, cursor.copy(f"COPY {staged} FROM STDIN") as incoming:
            for data in outgoing:
                incoming.write(data)
    execute(f"CREATE INDEX ON {staged} (chunk)")
    execute(f"ANALYZE {staged}")


def _address(database: str) -> str:
    given = connection.get_connection_params()
    return psycopg.conninfo.make_conninfo(
        "", **{name: given[name] for name in ("host", "port", "user", "password") if name in given}, dbname=database
    )

"""Taking turns: locks by name, for what no row stands for yet."""

from django.db import connection


def take_turn(name: str) -> None:
    """One at a time for what `name` says, until the caller's transaction ends. Once more within it changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])


def try_turn(name: str) -> bool:
    """The same without waiting: whether nobody else is at it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [name])
        [(is_free,)] = cursor.fetchall()
    return bool(is_free)

"""Secrets at rest: who holds a key reads them, the newest key writes, and the table alone tells nothing."""

import pytest
from cryptography.fernet import Fernet
from django.db import connection as database

from config import vault
from config.vault import VaultError
from tests.staff import lane

SECRETS = {"access_token": "ya29.very-secret-token", "refresh_token": "1//also-secret"}


@pytest.fixture
def keys(settings):
    """Three keys, the newest first; the first two are set."""
    made = [Fernet.generate_key().decode() for _ in range(3)]
    settings.ENCRYPTION_KEYS = made[:2]
    return made


@pytest.mark.parametrize("secrets", [SECRETS, {}, {"token": ""}, {"token": "Ünïcode \U0001f511"}])
def test_what_was_locked_is_opened_again(keys, secrets):
    assert vault.unlock(vault.lock(secrets)) == secrets


def test_nothing_stored_is_nothing_held(keys):
    assert vault.unlock("") == {}


def test_the_newest_key_locks_and_older_ones_still_open(keys, settings):
    newest, older, _ = keys
    settings.ENCRYPTION_KEYS = [older]
    locked_before = vault.lock(SECRETS)
    settings.ENCRYPTION_KEYS = [newest, older]
    locked_since = vault.lock(SECRETS)
    assert vault.unlock(locked_before) == vault.unlock(locked_since) == SECRETS
    settings.ENCRYPTION_KEYS = [newest]
    assert vault.unlock(locked_since) == SECRETS
    with pytest.raises(VaultError):
        vault.unlock(locked_before)


def test_another_key_opens_nothing_and_the_error_tells_nothing(keys, settings):
    locked = vault.lock(SECRETS)
    settings.ENCRYPTION_KEYS = keys[2:]
    with pytest.raises(VaultError) as refused:
        vault.unlock(locked)
    assert "secret-token" not in str(refused.value)
    assert locked not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "change", [lambda text: text[:-4], lambda text: text[:40] + "A" + text[41:], lambda _: "junk", lambda _: "ü"]
)
def test_what_was_changed_is_not_opened(keys, change):
    with pytest.raises(VaultError):
        vault.unlock(change(vault.lock(SECRETS)))


def test_the_same_secrets_never_look_the_same(keys):
    assert vault.lock(SECRETS) != vault.lock(SECRETS)


@pytest.mark.django_db
def test_the_column_holds_nothing_that_can_be_read(keys):
    connection = lane()
    connection.locked = vault.lock(SECRETS)
    connection.save(update_fields=["locked"])
    with database.cursor() as cursor:
        cursor.execute("SELECT row_to_json(c)::text FROM platforms_connection c WHERE id = %s", [connection.pk])
        (stored,) = cursor.fetchone()
    for name, secret in SECRETS.items():
        assert secret not in stored
        assert name not in stored
    assert lane().secrets == SECRETS

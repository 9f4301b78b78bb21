"""Keys that nobody set: made once under var/, and missed by nobody where var/ can't be written."""

import runpy
from pathlib import Path

import pytest

from config import vault
from config.checks import secret_key_is_kept
from config.vault import VaultError

SETTINGS = Path(__file__).parents[2] / "config" / "settings.py"


@pytest.fixture
def read(monkeypatch):
    """The settings as they are read with these variables, and with nothing else that speaks of keys or platforms."""

    def read(**variables):
        for name in ("SECRET_KEY", "ENCRYPTION_KEYS", "PLATFORMS_LIVE", "X_BASE_URL", "X_BEARER_TOKEN"):
            monkeypatch.setenv(name, variables.get(name, ""))
            if name not in variables:
                monkeypatch.delenv(name)
        return runpy.run_path(str(SETTINGS))

    return read


@pytest.fixture
def nowhere(monkeypatch):
    def refuse(self, *_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(Path, "touch", refuse)
    monkeypatch.setattr(Path, "read_text", refuse)


def test_where_none_can_be_kept_the_settings_are_read_all_the_same(read, nowhere):
    made = read()
    assert (len(made["SECRET_KEY"]) > 50, made["SECRET_KEY_IS_KEPT"], made["ENCRYPTION_KEYS"]) == (True, False, [])


def test_keys_that_are_set_need_no_place(read, nowhere):
    made = read(SECRET_KEY="ours", ENCRYPTION_KEYS="a,b")
    assert (made["SECRET_KEY"], made["SECRET_KEY_IS_KEPT"], made["ENCRYPTION_KEYS"]) == ("ours", True, ["a", "b"])


def test_whoever_serves_with_a_key_of_one_process_is_told(settings):
    settings.SECRET_KEY_IS_KEPT = True
    assert secret_key_is_kept(None) == []
    settings.SECRET_KEY_IS_KEPT = False
    assert [each.id for each in secret_key_is_kept(None)] == ["config.W001"]


def test_without_a_key_nothing_is_locked_or_opened(settings):
    settings.ENCRYPTION_KEYS = []
    for attempt in (lambda: vault.lock({"token": "x"}), lambda: vault.unlock("locked")):
        with pytest.raises(VaultError, match="ENCRYPTION_KEYS"):
            attempt()
    assert vault.unlock("") == {}


@pytest.mark.parametrize(
    ("variables", "token"),
    [
        ({}, "sandbox"),
        ({"X_BASE_URL": ""}, "sandbox"),
        ({"X_BASE_URL": "http://127.0.0.1:1"}, ""),
        ({"PLATFORMS_LIVE": "1"}, ""),
        ({"X_BASE_URL": "http://127.0.0.1:1", "X_BEARER_TOKEN": " ours\n"}, "ours"),
    ],
)
def test_only_the_sandbox_has_a_credential_that_nobody_set(read, variables, token):
    made = read(**variables)
    assert made["PLATFORMS"]["x"]["credentials"] == {"bearer_token": token}
    assert made["PLATFORMS_TEST"]["x"]["credentials"] == {"bearer_token": "sandbox"}

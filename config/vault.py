"""Secrets at rest: encrypted with keys of their own, the newest first. An older key still opens what it locked."""

import json
from collections.abc import Mapping
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


class VaultError(Exception):
    """None of our keys opens this: a key was lost, or the text was changed. Or there is no key at all."""


def lock(secrets: Mapping[str, str]) -> str:
    """These secrets as one text that can be stored. Raises VaultError where there is no key to lock them with."""
    return _keys(tuple(settings.ENCRYPTION_KEYS)).encrypt(json.dumps(dict(secrets)).encode()).decode()


def unlock(locked: str) -> dict[str, str]:
    """What was locked; empty for an empty text. Raises VaultError."""
    if not locked:
        return {}
    try:
        opened = _keys(tuple(settings.ENCRYPTION_KEYS)).decrypt(locked.encode())
    except InvalidToken:
        raise VaultError("A stored secret can't be opened with the keys in ENCRYPTION_KEYS.") from None
    secrets: dict[str, str] = json.loads(opened)
    return secrets


@lru_cache
def _keys(keys: tuple[str, ...]) -> MultiFernet:
    if not keys:
        raise VaultError("There is no key for secrets: set ENCRYPTION_KEYS, or let var/ be written.")
    return MultiFernet([Fernet(key) for key in keys])

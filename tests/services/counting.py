"""Counting how often a password was verified: the work that guessing costs."""

import threading

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.services import passwords


class Counting(Argon2Hasher):
    """Counts verifications."""

    verified = 0
    lock = threading.Lock()

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:  # noqa: A002
        with Counting.lock:
            Counting.verified += 1
        return super().verify(password, hash)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[Counting]:
    """The counter, at zero, in the place of the hasher."""
    hasher = Counting(memory_cost=19 * 1024, time_cost=2, parallelism=1)
    monkeypatch.setattr(passwords, "_HASHER", PasswordHash((hasher,)))
    Counting.verified = 0
    return Counting

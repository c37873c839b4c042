"""Phone numbers: one spelling, sealed at rest, found by a keyed fingerprint, masked on show."""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from app import settings
from app.errors import Malformed

if TYPE_CHECKING:
    import phonenumbers
    from cryptography.fernet import Fernet

HOME = "CN"
HOME_CODE = 86
KEY_BYTES = 32
SHOWN_IN_FULL = 7
"""Digits a mask shows; a shorter number shows its last two only."""


class InvalidPhone(Malformed):
    """This is no phone number."""

    zh = "手机号码有误"


@dataclass(frozen=True)
class _Keys:
    """Two keys from one secret, so that neither gives the other away."""

    seal: bytes
    fingerprint: bytes


@lru_cache(maxsize=4)
def _derived(secret: str) -> _Keys:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    def derive(purpose: bytes) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose).derive(secret.encode())

    return _Keys(derive(b"party-map phone seal 1"), derive(b"party-map phone fingerprint 1"))


def _keys() -> _Keys:
    return _derived(settings.load().phone_key.get_secret_value())


def _parsed(phone: str) -> "phonenumbers.PhoneNumber":
    import phonenumbers

    try:
        number = phonenumbers.parse(phone, HOME)
    except phonenumbers.NumberParseException as exc:
        raise InvalidPhone from exc
    # The ministry opens new mobile ranges before any library knows them.
    new_mobile = number.country_code == HOME_CODE and re.fullmatch(
        r"1[3-9]\d{9}", str(number.national_number)
    )
    if not (new_mobile or phonenumbers.is_valid_number(number)):
        raise InvalidPhone
    return number


def normalise(phone: str) -> str:
    """Return the one spelling (E.164, `+8613800001234`) of a number, however it was typed.

    Args:
        phone: with or without a country code; without one it is Chinese.

    Raises:
        InvalidPhone: no such number can exist. The number is not repeated in the error.
    """
    import phonenumbers

    return phonenumbers.format_number(_parsed(phone), phonenumbers.PhoneNumberFormat.E164)


def seal(phone: str) -> bytes:
    """Encrypt a number; twice the same number gives two different seals.

    Args:
        phone: in any spelling; the normal one is kept.

    Raises:
        InvalidPhone: it is no phone number.
    """
    return seal_bytes(normalise(phone).encode())


def unseal(sealed: bytes) -> str:
    """Return the number, in its normal spelling, that `seal` was given.

    Raises:
        cryptography.fernet.InvalidToken: altered since, or sealed under another key: the
            deployment is at fault and not the caller.
    """
    return unseal_bytes(sealed).decode()


def seal_bytes(plain: bytes) -> bytes:
    """Encrypt whatever holds a number."""
    return _cipher(_keys().seal).encrypt(plain)


def unseal_bytes(sealed: bytes) -> bytes:
    """Return what `seal_bytes` was given.

    Raises:
        cryptography.fernet.InvalidToken: as `unseal`.
    """
    return _cipher(_keys().seal).decrypt(sealed)


@lru_cache(maxsize=1)
def _cipher(key: bytes) -> "Fernet":
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(key))


def fingerprint(phone: str) -> bytes:
    """Return 32 bytes that are equal for equal numbers and useless without the key.

    Args:
        phone: in any spelling.

    Raises:
        InvalidPhone: it is no phone number.
    """
    return hmac.digest(_keys().fingerprint, normalise(phone).encode(), hashlib.sha256)


def keyed_hash(purpose: str, value: bytes) -> bytes:
    """Return 32 bytes that are equal for equal values of one purpose and useless without the key.

    Args:
        purpose: what the hash is for; equal values of two purposes give unlike hashes.
        value: what nobody should be able to guess from the hash.
    """
    return hmac.digest(_keys().fingerprint, purpose.encode() + b"\0" + value, hashlib.sha256)


def national(phone: str) -> str:
    """Return the digits of a number without its country code.

    Args:
        phone: in any spelling.

    Raises:
        InvalidPhone: it is no phone number.
    """
    import phonenumbers

    return phonenumbers.national_significant_number(_parsed(phone))


def mask(phone: str) -> str:
    """Return a number that only its owner recognises: `138****1234`.

    Args:
        phone: in any spelling.

    Raises:
        InvalidPhone: it is no phone number.
    """
    digits = national(phone)
    if len(digits) <= SHOWN_IN_FULL + 1:
        return f"****{digits[-2:]}"
    return f"{digits[:3]}****{digits[-4:]}"

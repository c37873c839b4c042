"""Public codes of bookings: short, easy to read aloud, each number's own."""

ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits and capitals without 0 O, 1 I L and U: nothing that looks like something else."""
LENGTH = 10
SPACE = len(ALPHABET) ** LENGTH
STRIDE = 366_507_942_887_819
"""Coprime to `SPACE`, so that multiplying permutes the numbers; neighbours get unlike codes."""
_BACK = pow(STRIDE, -1, SPACE)


def code_of(number: int) -> str:
    """Return the code of booking `number`, `LENGTH` characters of `ALPHABET`."""
    rest = number * STRIDE % SPACE
    letters = []
    for _ in range(LENGTH):
        rest, letter = divmod(rest, len(ALPHABET))
        letters.append(ALPHABET[letter])
    return "".join(reversed(letters))


def number_of(code: str) -> int | None:
    """Return the booking number `code` was made of, or None if it is no code."""
    code = code.upper()
    if len(code) != LENGTH or not set(code) <= set(ALPHABET):
        return None
    value = 0
    for letter in code:
        value = value * len(ALPHABET) + ALPHABET.index(letter)
    return int(value * _BACK % SPACE)

"""A secret that others know or can guess is refused in production, and a warning in development."""

import base64
import secrets

import pytest

from taskflow.settings.secrets import find_weakness
from tests.support.configuration import PRODUCTION, SECRET, complain, load

EXAMPLE = "is an example that everybody knows; make one with `openssl rand -hex 32`, the same here and in the frontend"
PATTERN = (
    "is a pattern that repeats, which can be guessed; make one with `openssl rand -hex 32`, "
    "the same here and in the frontend"
)
BLANKS = "is surrounded by blanks or ends of lines, which are part of the secret; remove them"
ESCAPED = "ends in \\n, a backslash and a letter, where the end of a line was meant; remove both"
UNPRINTABLE = "is not printable text; remove control characters and ends of lines from it"

WEAK = [
    ("better-auth-secret-12345678901234567890", EXAMPLE),
    ("Better_Auth_Secret_12345678901234567890", EXAMPLE),
    ("your-super-secret-key-32-chars-min", EXAMPLE),
    ("your_super_secret_key_at_least_32_characters_long", EXAMPLE),
    ("change-me-change-me-please-0123456789", EXAMPLE),
    ("your-default-secret-change-in-production", EXAMPLE),
    ("a-string-secret-at-least-256-bits-long", EXAMPLE),
    ("super-secret-jwt-token-with-at-least-32-characters-long", EXAMPLE),
    ("your-256-bit-secret-your-256-bit-secret-x", EXAMPLE),
    ("replace-this-with-a-long-random-string", EXAMPLE),
    ("dev-secret-do-not-use-in-production-1234", EXAMPLE),
    ("this_is_a_secret_key_for_development_only", EXAMPLE),
    ("make one with openssl rand -hex 32", EXAMPLE),
    ("qwertyuiopasdfghjklzxcvbnm123456", EXAMPLE),
    ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", EXAMPLE),
    ("passwordpasswordpasswordpassword1234", PATTERN),
    ("xsecretsecretsecretsecretsecretsecret", PATTERN),
    ("deadbeefdeadbeefdeadbeefcafebabe", PATTERN),
    ("a" * 32, PATTERN),
    ("é" * 16, PATTERN),
    ("0" * 64, PATTERN),
    ("ab" * 16, PATTERN),
    ("password" * 4, PATTERN),
    ("qwertyuiop" * 4, PATTERN),
    ("deadbeefcafebabe" * 2 + "dead", PATTERN),
    ("12345678901234567890123456789012", PATTERN),
    ("0123456789abcdef0123456789abcdef", PATTERN),
    ("abcdefghijklmnopqrstuvwxyz012345", PATTERN),
    ("zyxwvutsrqponmlkjihgfedcba987654", PATTERN),
    ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", PATTERN),
    ("010011010111000100110101110001001", PATTERN),
    (f"{SECRET}\\n", ESCAPED),
    (f"{SECRET}\n", BLANKS),
    (f"{SECRET}\r\n", BLANKS),
    (f"{SECRET} ", BLANKS),
    (f" {SECRET}", BLANKS),
    (f"\t{SECRET}", BLANKS),
    (f"{SECRET}\u00a0", BLANKS),
    (f"\ufeff{SECRET}", BLANKS),
    (f"{SECRET}\u200b", BLANKS),
    (f"{SECRET}\nand more", UNPRINTABLE),
    (f"{SECRET}\x1b[0m", UNPRINTABLE),
]


@pytest.mark.parametrize(("secret", "weakness"), WEAK)
def test_a_weak_secret_is_refused_in_production(secret: str, weakness: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where published keys make it unnecessary: it counts all the same."""
    keys = {"BETTER_AUTH_URL": "https://app.example.com"}
    sentence = f"BETTER_AUTH_SECRET {weakness}."
    assert complain(monkeypatch, **{**PRODUCTION, **keys, "BETTER_AUTH_SECRET": secret}) == [sentence]
    assert SECRET not in sentence


@pytest.mark.parametrize(("secret", "weakness"), WEAK)
def test_a_weak_secret_is_a_warning_in_development(secret: str, weakness: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is used as it is, for the frontend may have the same."""
    settings = load(monkeypatch, BETTER_AUTH_SECRET=secret)
    assert (settings.secret, settings.warnings) == (secret, (f"BETTER_AUTH_SECRET {weakness}.",))


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "a-secret-of-the-tests-that-nobody-else-knows",
        "correct horse battery staple, with some more words",
        "31415926535897932384626433832795",
        "Übergröße-Füße-Straße-Äpfel-Öl-4711",
        "{'quotes'}-and-\"brackets\"-#-$HOME-%20",
    ],
)
def test_another_secret_is_taken(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, digits, blanks within and letters beyond ASCII are no weakness."""
    assert load(monkeypatch, **{**PRODUCTION, "BETTER_AUTH_SECRET": secret}).warnings == ()


def test_no_random_secret_is_weak() -> None:
    """In hexadecimal, base64 and digits, of the least length that is accepted."""
    for _ in range(1000):
        assert find_weakness(secrets.token_hex(16)) is None
        assert find_weakness(secrets.token_urlsafe(24)) is None
        assert find_weakness(base64.b64encode(secrets.token_bytes(24)).decode()) is None
        assert find_weakness("".join(secrets.choice("0123456789") for _ in range(32))) is None

"""Where the keys of tokens come from, as the configuration says it."""

import pytest

from tests.support.configuration import NO_AUTH_URL, PRODUCTION, complain, load


@pytest.mark.parametrize("variable", ["BETTER_AUTH_URL", "JWKS_URL"])
def test_where_keys_are_published_no_secret_need_be_shared(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In production too; an address that is wrong is the only thing to complain about."""
    variables = {name: value for name, value in PRODUCTION.items() if name != "BETTER_AUTH_SECRET"}
    assert load(monkeypatch, **variables, **{variable: "https://app.example.com/keys"}).better_auth_secret is None
    assert complain(monkeypatch, **{variable: "app.example.com"}) == [NO_AUTH_URL.format(variable)]


@pytest.mark.parametrize("variable", ["BETTER_AUTH_URL", "JWKS_URL"])
@pytest.mark.parametrize(
    "url", ["http://app.example.com", "http://10.0.0.1:3000", "http://localhost.example.com", "http://127.0.0.1.nip.io"]
)
def test_keys_come_encrypted_in_production(variable: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who can change them on the way can sign for anybody."""
    assert load(monkeypatch, **{variable: url}).key_set_url is not None
    sentence = f"{variable} must begin with https:// in production, unless its host is this machine."
    assert complain(monkeypatch, **PRODUCTION, **{variable: url}) == [sentence]


@pytest.mark.parametrize("url", ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"])
def test_keys_of_this_machine_may_come_plain(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is between."""
    assert load(monkeypatch, **PRODUCTION, BETTER_AUTH_URL=url).key_set_url == f"{url}/api/auth/jwks"


@pytest.mark.parametrize(
    ("variables", "address", "issuers"),
    [
        ({}, None, ()),
        (
            {"BETTER_AUTH_URL": "https://app.example.com"},
            "https://app.example.com/api/auth/jwks",
            ("https://app.example.com",),
        ),
        # As Better Auth itself takes it: a path is its base path.
        (
            {"BETTER_AUTH_URL": "https://app.example.com/auth"},
            "https://app.example.com/auth/jwks",
            ("https://app.example.com",),
        ),
        (
            {"BETTER_AUTH_URL": "https://app.example.com", "JWKS_URL": "http://localhost:3000/jwks"},
            "http://localhost:3000/jwks",
            ("https://app.example.com",),
        ),
        (
            {"BETTER_AUTH_URL": "https://app.example.com", "JWT_ISSUER": "a, b"},
            "https://app.example.com/api/auth/jwks",
            ("a", "b"),
        ),
        ({"JWKS_URL": "https://a.example/jwks"}, "https://a.example/jwks", ()),
    ],
    ids=["nothing", "origin", "with-path", "both", "issuers", "keys-alone"],
)
def test_where_keys_are_and_who_issues_follow_from_better_auths_url(
    variables: dict[str, str], address: str | None, issuers: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless they are named themselves."""
    settings = load(monkeypatch, **variables)
    assert (settings.key_set_url, settings.key_set_issuers) == (address, issuers)

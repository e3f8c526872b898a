"""The frontend that publishes the keys fails, or changes them, and users who are signed in notice nothing.

What cannot be told is answered 503: at a 401, frontends sign their user out.
"""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import count
from threading import Event
from time import monotonic

import httpx
import pytest

from tests.support.cast import ALICE, BOB, SECRET
from tests.support.contract import check_response
from tests.support.keys import PATH, KeyServer, Publication, SigningKey, claim_better_auths, run_key_server
from tests.support.problems import expect_problem
from tests.support.server import Server, make_environment, run_server
from tests.support.tokens import INVALID, expect_refusal, make_claims, send
from tests.support.waiting import let_time_pass, wait_for

COOLDOWN = 0.2
TIMEOUT = 2
"""JWKS_COOLDOWN and JWKS_TIMEOUT of these servers, in seconds."""

RECOVERY_SECONDS = 5

OLD, NEW = SigningKey("old"), SigningKey("new")

STALE = {
    "status": "ok",
    "warnings": [{"detail": "cannot be fetched; those known are used for the time being", "pointer": "keys"}],
}
NO_KEYS = {
    **expect_problem(503, "keys cannot be fetched."),
    "errors": [{"detail": "cannot be fetched", "pointer": "keys"}],
}

UNAVAILABLE = expect_problem(503, "The keys that tokens are checked with are temporarily unavailable, please retry.")


@pytest.fixture
def frontend() -> Iterator[KeyServer]:
    """A frontend that publishes the old key."""
    with run_key_server(OLD) as server:
        yield server


@contextmanager
def open_client(
    database_url: str, frontend: KeyServer, *arguments: str, **variables: str
) -> Iterator[tuple[httpx.Client, Server]]:
    """Run a server that knows the frontend, and give a client of it; the log holds no trace at the end."""
    settings = {"JWKS_COOLDOWN": str(COOLDOWN), "JWKS_TIMEOUT": str(TIMEOUT)}
    environment = make_environment(
        ENVIRONMENT="production",
        DATABASE_URL=database_url,
        CORS_ORIGINS="https://app.example.com",
        BETTER_AUTH_SECRET=SECRET,
        BETTER_AUTH_URL=frontend.origin,
        **settings | variables,
    )
    with run_server(environment, *arguments) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        yield client, server
        log = server.read_log()
        assert "Traceback" not in log
        # With its colon: five digits alone stand in some request's random id now and then.
        assert f":{frontend.port}" not in log


def expect_unavailable(response: httpx.Response) -> None:
    """The whole answer to a token that nobody can check."""
    check_response(response)
    assert (response.status_code, response.json()) == (503, UNAVAILABLE)
    assert response.headers["Retry-After"] == "5"


def expect_recovery(client: httpx.Client, token: str) -> None:
    """A little after now, the token is accepted."""
    wait_for(lambda: send(client, token).status_code == 200, RECOVERY_SECONDS)


def find_warnings(server: Server) -> list[str]:
    """Give what the log warns of."""
    lines = [json.loads(line) for line in server.read_log().splitlines()]
    return [line["message"] for line in lines if line["level"] == "warning"]


def test_a_frontend_that_is_down_from_the_start_signs_nobody_out(database_url: str) -> None:
    """The server starts without it and answers 503, whatever key is named; once it is up, there is no need to restart.

    Tokens signed with the secret are accepted all the while.
    """
    with run_key_server() as frontend:
        pass
    token = OLD.sign(claim_better_auths(frontend))
    with open_client(database_url, frontend) as (client, server):
        for _ in range(3):
            expect_unavailable(send(client, token))
        expect_unavailable(send(client, token, BOB.tasks))
        assert send(client, ALICE.token).status_code == 200
        with run_key_server(OLD, port=frontend.port):
            expect_recovery(client, token)
            expect_refusal(send(client, NEW.sign(claim_better_auths(frontend))), INVALID)
        assert find_warnings(server) == [
            (
                "the published keys (JWKS) cannot be fetched, tokens signed with them are answered 503 until they are: "
                "the connection was refused"
            ),
            "the published keys (JWKS) are fetched again",
        ]


def test_a_frontend_that_goes_down_is_not_missed(database_url: str, frontend: KeyServer) -> None:
    """What is known goes on being good, for new tokens too; what is not known is 503, since it may have come since."""
    with open_client(database_url, frontend, JWKS_MAX_AGE="1") as (client, server):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        frontend.stop()
        wait_for(lambda: find_warnings(server), RECOVERY_SECONDS)
        for number in range(3):
            assert send(client, OLD.sign(claim_better_auths(frontend, jti=str(number)))).status_code == 200
        unknown = NEW.sign(claim_better_auths(frontend))
        expect_unavailable(send(client, unknown))
        with run_key_server(OLD, NEW, port=frontend.port):
            expect_recovery(client, unknown)
        assert len(find_warnings(server)) == 2


def test_a_new_key_is_known_at_once(database_url: str, frontend: KeyServer) -> None:
    """Rotation: the first token signed with it is accepted; the old key is good as long as it is published."""
    with open_client(database_url, frontend) as (client, _):
        old, new = OLD.sign(claim_better_auths(frontend)), NEW.sign(claim_better_auths(frontend))
        assert send(client, old).status_code == 200
        frontend.publish(OLD, NEW)
        assert send(client, new).status_code == 200
        assert send(client, old).status_code == 200


@pytest.mark.parametrize("replaced", [False, True], ids=["withdrawn", "another-of-the-same-name"])
def test_a_key_that_is_withdrawn_ends(replaced: bool, database_url: str, frontend: KeyServer) -> None:
    """After JWKS_MAX_AGE at the latest; tokens that were accepted before, and are remembered, end with it."""
    with open_client(database_url, frontend, JWKS_MAX_AGE="1") as (client, server):
        old = OLD.sign(claim_better_auths(frontend))
        assert send(client, old).status_code == 200
        frontend.publish(SigningKey(OLD.kid) if replaced else NEW)
        wait_for(lambda: send(client, old).status_code == 401, RECOVERY_SECONDS)
        withdrawal = "1 of the published keys (JWKS) withdrawn: their tokens no longer hold"
        assert find_warnings(server).count(withdrawal) == 1
        frontend.publish(SigningKey("third"))
        wait_for(lambda: find_warnings(server).count(withdrawal) == 2, RECOVERY_SECONDS)
        expect_refusal(send(client, OLD.sign(claim_better_auths(frontend))), INVALID)


def write_set(*entries: object) -> bytes:
    """Return a JWK Set with these entries."""
    return json.dumps({"keys": entries}).encode()


WITHOUT_A_KEY = {
    "empty": write_set(),
    "secrets": write_set({"kty": "oct", "kid": OLD.kid, "k": "c2VjcmV0"}),
    "private-keys": write_set({**OLD.published, **OLD.write(OLD.private)}),
    "other-algorithms": write_set(SigningKey(OLD.kid, "ES384").published),
    "for-encryption": write_set({**OLD.published, "use": "enc"}),
    "malformed": write_set({**OLD.published, "x": "AA"}, {}, None, "key"),
    "without-ids": write_set({**OLD.published, "kid": None}),
    "null": b'{"keys": null}',
    "nothing": b"{}",
}


@pytest.mark.parametrize("body", WITHOUT_A_KEY.values(), ids=WITHOUT_A_KEY)
def test_a_set_without_a_usable_key_is_an_outage_and_withdraws_nothing(
    body: bytes, database_url: str, frontend: KeyServer
) -> None:
    """Known keys go on, for new tokens too; others are 503; the log says it once, and /readyz as long as it lasts."""
    with open_client(database_url, frontend) as (client, server):
        remembered, unknown = (key.sign(claim_better_auths(frontend)) for key in (OLD, NEW))
        assert send(client, remembered).status_code == 200
        frontend.publication = Publication(body)
        # The key may have come since the last fetch: this one asks for the next.
        wait_for(lambda: send(client, unknown).status_code == 503, RECOVERY_SECONDS)
        expect_unavailable(send(client, unknown))
        for token in (remembered, OLD.sign(claim_better_auths(frontend, jti="another"))):
            assert send(client, token).status_code == 200
        ready = client.get("/readyz")
        check_response(ready)
        assert (ready.status_code, ready.json()) == (200, STALE)
        (warning,) = find_warnings(server)
        assert warning.startswith(
            "the published keys (JWKS) cannot be fetched, those known go on being used for 86400 s at most "
            "(JWKS_MAX_AGE_STALE) or until they are: "
        )
        frontend.publish(OLD, NEW)
        expect_recovery(client, unknown)
        assert client.get("/readyz").json() == {"status": "ok"}


@pytest.mark.parametrize(
    "publication", [Publication(), Publication(write_set({"kty": "oct"})), Publication(status=500)], ids=repr
)
def test_an_outage_that_does_not_end_ends_the_keys(
    publication: Publication, database_url: str, frontend: KeyServer
) -> None:
    """After JWKS_MAX_AGE_STALE nobody can tell: 503 and not 401, for remembered tokens too. The secret still counts."""
    with open_client(database_url, frontend, JWKS_MAX_AGE="1", JWKS_MAX_AGE_STALE="1") as (client, server):
        token = OLD.sign(claim_better_auths(frontend))
        assert send(client, token).status_code == 200
        frontend.publication = publication
        wait_for(lambda: send(client, token).status_code == 503, RECOVERY_SECONDS)
        for refused in (token, OLD.sign(claim_better_auths(frontend, jti="another"))):
            expect_unavailable(send(client, refused))
        assert client.get("/readyz").json() == NO_KEYS
        assert send(client, ALICE.token).status_code == 200
        begun, ended = find_warnings(server)
        assert "those known go on being used for 1 s at most" in begun
        assert ended.startswith(
            "the published keys (JWKS) could not be fetched for 1 s (JWKS_MAX_AGE_STALE), "
            "tokens signed with them are answered 503 until they are: "
        )
        frontend.publish(OLD)
        expect_recovery(client, token)
        assert client.get("/readyz").json() == {"status": "ok"}


def test_a_key_that_is_passed_over_is_named_once(database_url: str, frontend: KeyServer) -> None:
    """In the log, as long as nothing changes; the other keys of its set are good all the same."""
    frontend.publish(OLD, {**NEW.published, "kid": 2})
    with open_client(database_url, frontend) as (client, server):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        expect_refusal(send(client, NEW.sign(claim_better_auths(frontend))), INVALID)  # after another fetch
        assert len(frontend.asked) >= 2
        mistake = "key 2: its kid is a number; it must be text"
        assert find_warnings(server) == [f"some of the published keys (JWKS) are passed over: {mistake}"]


def test_a_request_with_a_known_key_never_waits(database_url: str, frontend: KeyServer) -> None:
    """While a fetch hangs, tokens that were never seen before are accepted; the one with an unknown key waits."""
    with open_client(database_url, frontend, JWKS_TIMEOUT="10") as (client, server):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        frontend.publish(OLD, NEW, pause=0.02)
        before = len(frontend.asked)
        with ThreadPoolExecutor(1) as pool, httpx.Client(base_url=server.url, timeout=30) as other:
            waiting = pool.submit(send, other, NEW.sign(claim_better_auths(frontend)))
            wait_for(lambda: len(frontend.asked) > before, RECOVERY_SECONDS)
            for number in range(20):
                assert send(client, OLD.sign(claim_better_auths(frontend, jti=str(number)))).status_code == 200
                assert not waiting.done()
            assert waiting.result().status_code == 200


LONG_COOLDOWN = 10
"""JWKS_COOLDOWN where no further fetch is to be allowed while the test runs."""


def test_made_up_keys_are_refused_at_once_and_seldom_asked_for(database_url: str, frontend: KeyServer) -> None:
    """However many ask: JWKS_BURST fetches, one at a time, and one more in each JWKS_COOLDOWN."""
    cooldown = str(LONG_COOLDOWN)
    with open_client(database_url, frontend, JWKS_COOLDOWN=cooldown, JWKS_BURST="3") as (client, server):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        before, started = len(frontend.asked), monotonic()

        def ask(number: int) -> None:
            with httpx.Client(base_url=server.url, timeout=30) as other:
                for again in range(25):
                    # What a client says of its address makes no difference.
                    other.headers["X-Forwarded-For"] = f"192.0.2.{number}"
                    token = OLD.sign(claim_better_auths(frontend), kid=f"{number}-{again}")
                    expect_refusal(send(other, token), INVALID)

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(ask, range(20)))
        # Had each waited for a fetch of its own moment, they would have taken 25 times the cooldown.
        elapsed = monotonic() - started
        assert elapsed < 5 * LONG_COOLDOWN
        assert 3 <= len(frontend.asked) - before <= 3 + elapsed / LONG_COOLDOWN
        assert frontend.most_at_once == 1
        assert send(client, OLD.sign(claim_better_auths(frontend, jti="another"))).status_code == 200


def test_the_same_unknown_key_is_asked_for_once_in_a_while(database_url: str, frontend: KeyServer) -> None:
    """A client that goes on with a token of yesterday's key leaves the fetches to others, whose key is new."""
    cooldown = str(LONG_COOLDOWN)
    with open_client(database_url, frontend, JWKS_COOLDOWN=cooldown, JWKS_BURST="2") as (client, _):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        before = len(frontend.asked)
        for number in range(20):
            expect_refusal(send(client, OLD.sign(claim_better_auths(frontend, jti=str(number)), kid="gone")), INVALID)
        assert len(frontend.asked) == before + 1
        frontend.publish(OLD, NEW)
        assert send(client, NEW.sign(claim_better_auths(frontend))).status_code == 200


def test_a_new_key_is_known_soon_while_others_are_made_up(database_url: str, frontend: KeyServer) -> None:
    """The next fetch that is allowed brings it, and who was refused without one need not ask for it again."""
    with open_client(database_url, frontend, JWKS_COOLDOWN="1", JWKS_BURST="2") as (client, server):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        with ThreadPoolExecutor(1) as pool:
            is_over = Event()

            def attack() -> None:
                with httpx.Client(base_url=server.url, timeout=30) as other:
                    for number in count():
                        if is_over.is_set():
                            return
                        send(other, OLD.sign(claim_better_auths(frontend), kid=f"made up {number}"))

            attacking = pool.submit(attack)
            try:
                wait_for(lambda: len(frontend.asked) >= 3, RECOVERY_SECONDS)
                frontend.publish(OLD, NEW)
                expect_recovery(client, NEW.sign(claim_better_auths(frontend)))
            finally:
                is_over.set()
            attacking.result()


def test_nobody_asks_on_once_it_is_known(database_url: str, frontend: KeyServer) -> None:
    """One made-up key is one question; after that, JWKS_MAX_AGE counts again."""
    with open_client(database_url, frontend) as (client, _):
        expect_refusal(send(client, NEW.sign(claim_better_auths(frontend))), INVALID)
        before = len(frontend.asked)
        let_time_pass(5 * COOLDOWN)
        assert len(frontend.asked) == before <= 2


def test_the_question_says_nothing_of_who_asks(database_url: str, frontend: KeyServer) -> None:
    """No cookie comes back to whoever sets one, nothing compressed is asked for, and the host is the one configured."""
    frontend.publish(OLD, headers={"Set-Cookie": "id=1"})
    with open_client(database_url, frontend) as (client, _):
        for key in (OLD, NEW):
            send(client, key.sign(claim_better_auths(frontend)))
    assert len(frontend.headers) >= 2
    for headers in frontend.headers:
        assert headers["host"] == f"127.0.0.1:{frontend.port}"
        assert headers["accept-encoding"] == "identity"
        assert not {"cookie", "authorization"} & headers.keys()


def test_no_proxy_comes_between(database_url: str, frontend: KeyServer) -> None:
    """Whoever runs it could sign for anybody; others of the machine's programs may need it."""
    with run_key_server(SigningKey(OLD.kid)) as proxy:
        variables = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"), proxy.origin)
        with open_client(database_url, frontend, **variables) as (client, _):
            assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        assert proxy.asked == []


def test_a_frontend_that_fails_is_not_asked_more_often(database_url: str, frontend: KeyServer) -> None:
    """Requests do not add to it: who cannot be answered is told so at once."""
    frontend.publication = Publication(status=500)
    with open_client(database_url, frontend) as (client, server):
        wait_for(lambda: find_warnings(server), RECOVERY_SECONDS)
        token = OLD.sign(claim_better_auths(frontend))
        before, started, asked = len(frontend.asked), monotonic(), 0
        while monotonic() < started + 2:
            expect_unavailable(send(client, token))
            asked += 1
        assert 3 <= len(frontend.asked) - before <= (monotonic() - started) / COOLDOWN + 1
        assert asked > 100
        assert len(find_warnings(server)) == 1


def test_no_more_wait_than_may(database_url: str, frontend: KeyServer) -> None:
    """JWKS_QUEUE_SIZE: past it, 503 at once, and known keys are as good as ever."""
    with open_client(database_url, frontend, JWKS_QUEUE_SIZE="2", JWKS_TIMEOUT="10") as (client, server):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        frontend.publish(OLD, pause=0.02)
        before = len(frontend.asked)

        def ask(number: int) -> int:
            with httpx.Client(base_url=server.url, timeout=30) as other:
                return send(other, SigningKey(str(number)).sign(claim_better_auths(frontend))).status_code

        with ThreadPoolExecutor(3) as pool:
            asked = {pool.submit(ask, number) for number in range(3)}
            refused, waiting = wait(asked, RECOVERY_SECONDS, FIRST_COMPLETED)
            assert [one.result() for one in refused] == [503]
            wait_for(lambda: len(frontend.asked) > before, RECOVERY_SECONDS)
            assert send(client, OLD.sign(claim_better_auths(frontend, jti="again"))).status_code == 200
            frontend.publish(OLD)
            assert [one.result() for one in waiting] == [401, 401]


FAILURES = {
    "not-found": (Publication(status=404), "the answer was 404, not 200; nothing is followed anywhere else"),
    "redirect": (
        Publication(status=307, headers={"Location": "/elsewhere"}),
        "the answer was 307, not 200; nothing is followed anywhere else",
    ),
    "page": (Publication(b"<html>Not found</html>"), "it is not a JWK Set"),
    "no-list": (Publication(b'{"keys": "maintenance"}'), "it is not a JWK Set"),
    "empty": (Publication(), "there are none"),
    "secrets": (
        Publication(b'{"keys": [{"kty": "oct", "kid": "old", "k": "c2VjcmV0"}]}'),
        "none of its keys can be used; it must be for EdDSA, ES256, ES512, RS256, PS256",
    ),
    "too-large": (Publication(b" " * 1025), "the answer was larger than MAX_JWKS_BYTES (1024)"),
    "trickle": (Publication(b" " * 1000, pause=0.05), f"there was no whole answer in {TIMEOUT} s"),
    "compressed": (
        Publication(b"\x1f\x8b\x08", headers={"Content-Encoding": "gzip"}),
        "the answer was compressed",
    ),
    "not-http": (Publication(headers={"Transfer-Encoding": "rot13"}), "the connection failed (RemoteProtocolError)"),
}


@pytest.mark.parametrize(("publication", "reason"), FAILURES.values(), ids=FAILURES)
def test_an_answer_without_keys_is_an_outage(
    publication: Publication, reason: str, database_url: str, frontend: KeyServer
) -> None:
    """It is said once why, without the address; nothing else is asked for; it ends by itself."""
    frontend.publication = publication
    with open_client(database_url, frontend, MAX_JWKS_BYTES="1024") as (client, server):
        token = OLD.sign(claim_better_auths(frontend))
        expect_unavailable(send(client, token))
        assert find_warnings(server) == [
            "the published keys (JWKS) cannot be fetched, tokens signed with them are answered 503 until they are: "
            + reason
        ]
        frontend.publish(OLD)
        expect_recovery(client, token)
        assert set(frontend.asked) == {PATH}


def test_every_worker_knows_the_keys(database_url: str, frontend: KeyServer) -> None:
    """Each asks for itself, and each hears of a new one."""
    with open_client(database_url, frontend, "--workers", "2") as (_, server):
        frontend.publish(OLD, NEW)
        for key in (OLD, NEW) * 10:
            with httpx.Client(base_url=server.url) as client:  # a connection of its own, to either of them
                assert send(client, key.sign(claim_better_auths(frontend))).status_code == 200
        assert len(frontend.asked) >= 2


def test_a_server_stops_while_it_fetches(database_url: str, frontend: KeyServer) -> None:
    """And while somebody waits for that, who is told that it stops."""
    with open_client(database_url, frontend, JWKS_TIMEOUT="10", SHUTDOWN_TIMEOUT="1") as (client, server):
        assert send(client, OLD.sign(claim_better_auths(frontend))).status_code == 200
        frontend.publish(OLD, pause=0.2)
        before = len(frontend.asked)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(send, client, NEW.sign(claim_better_auths(frontend)))
            wait_for(lambda: len(frontend.asked) > before, RECOVERY_SECONDS)
            server.process.send_signal(signal.SIGTERM)
            response = waiting.result()
        assert response.json() == expect_problem(503, "The server is stopping, please retry.")
        assert server.process.wait(20) == 0


def test_a_token_that_no_key_could_verify_asks_for_none(database_url: str, frontend: KeyServer) -> None:
    """Nothing is fetched for what is refused anyhow."""
    with open_client(database_url, frontend) as (client, _):
        wait_for(lambda: frontend.asked, RECOVERY_SECONDS)
        let_time_pass(COOLDOWN)
        before = len(frontend.asked)
        for token in ("garbage", ALICE.token, OLD.sign(make_claims(), typ="other"), OLD.sign(make_claims(exp=1))):
            send(client, token)
        assert len(frontend.asked) == before

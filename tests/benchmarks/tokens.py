"""What verifying a token adds to a request, by the way in which it is signed. `python -m tests.benchmarks.tokens`.

Two servers, one that remembers tokens and one that does not (TOKEN_CACHE_SIZE=0), on one core; the load on the other. A
get with each kind of token in turn, in several rounds; the ratios are the medians of the rounds' ratios to HS256. All
have the claims of Better Auth's jwt plugin, but for the short one, which has those of a bridge written by hand.
"""

from contextlib import ExitStack
from dataclasses import replace
from statistics import median

from tests.benchmarks.exchanges import EXCHANGES, Exchange
from tests.benchmarks.load import run_load
from tests.benchmarks.servers import TASKFLOW, run_contender
from tests.benchmarks.stage import SERVER_CORE, open_stage
from tests.support.cast import User, sign
from tests.support.keys import SigningKey, claim_better_auths, run_key_server

ROUNDS = 5
SECONDS = 2
ALGORITHMS = ("EdDSA", "ES256", "ES512", "RS256", "PS256")
CACHES = {"remembered": "10000", "verified each time": "0"}


def main() -> None:
    get = next(exchange for exchange in EXCHANGES if exchange.name == "get")
    keys = [SigningKey(algorithm, algorithm) for algorithm in ALGORITHMS]
    with ExitStack() as stack:
        url, database = stack.enter_context(open_stage())
        frontend = stack.enter_context(run_key_server(*keys))
        get.prepare(database)
        claims = claim_better_auths(frontend, sub=get.user, id=get.user, exp=2**33)
        tokens = {"HS256, short": User(get.user).token, "HS256": sign(claims)}
        tokens |= {key.algorithm: key.sign(claims) for key in keys}
        exchanges = {name: replace(get, token=token) for name, token in tokens.items()}
        print("| Tokens | " + " | ".join(exchanges) + " |\n|---|" + "---:|" * len(exchanges))
        for cache, size in CACHES.items():
            variables = {"BETTER_AUTH_URL": frontend.origin, "TOKEN_CACHE_SIZE": size}
            with run_contender(TASKFLOW, url, cores=SERVER_CORE, variables=variables) as (server, _):
                rounds = [_measure(server, exchanges) for _ in range(ROUNDS)]
            micros = [f"{median(times[name] for times in rounds) * 1e6:.0f} µs" for name in exchanges]
            ratios = [f"{median(times[name] / times['HS256'] for times in rounds):.2f}" for name in exchanges]
            print(f"| {cache}, a request takes | " + " | ".join(micros) + " |")
            print(f"| {cache}, ratio to HS256 | " + " | ".join(ratios) + " |", flush=True)


def _measure(server: str, exchanges: dict[str, Exchange]) -> dict[str, float]:
    """Give the seconds that a request takes of the busy server, for each kind of token."""
    times = {}
    for name, exchange in exchanges.items():
        exchange.probe(server)
        figures = run_load(server, exchange, seconds=SECONDS, length=None)
        if figures.wrong:
            raise RuntimeError(f"{name}: {figures.wrong} wrong answers")
        times[name] = 1 / figures.rate
    return times


if __name__ == "__main__":
    main()

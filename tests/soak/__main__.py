"""Runs the soaks, or those that are named: `python -m tests.soak [lives] [overload] [endurance]`."""

import argparse

from tests.soak.endurance import endure
from tests.soak.lives import run_lives
from tests.soak.overload import overload


def main() -> None:
    parser = argparse.ArgumentParser("tests.soak", description=__doc__)
    parser.add_argument("soaks", nargs="*", choices=["lives", "overload", "endurance", []], metavar="SOAK")
    parser.add_argument("--seconds", type=int, default=60, help="of overload")
    parser.add_argument("--minutes", type=int, default=15, help="of endurance")
    options = parser.parse_args()
    soaks = options.soaks or ["lives", "overload", "endurance"]
    if "lives" in soaks:
        run_lives()
    if "overload" in soaks:
        overload(seconds=options.seconds)
    if "endurance" in soaks:
        endure(minutes=options.minutes)


if __name__ == "__main__":
    main()

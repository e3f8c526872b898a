"""Every header that is read, by its grammar: each legal spelling means the same, and what the grammar lacks is refused.

The requests are written byte for byte: a client library would put right what is tried here.
"""

import time

import httpx
import psycopg
import pytest

from taskflow.contract.loading import read_contract
from taskflow.contract.schema import compile_schema
from taskflow.errors import FieldError
from taskflow.observability.logs import make_record
from taskflow.web.fields import list_elements
from tests.support.cast import ALICE
from tests.support.contract import load_contract
from tests.support.problems import expect_problem
from tests.support.server import Server
from tests.support.tasks import create_task
from tests.support.wire import Wire, connect

BODY = b'{"title": "Buy groceries"}'
TASKS = ALICE.tasks.encode()
TASK = TASKS + b"/1"
PAGE = b"/openapi.yaml"
ORIGIN = b"https://app.example.com"
TOKEN = ALICE.token.encode()
FORM = "does not have the form it must have"

Lines = tuple[bytes, ...]
"""The lines in which a field comes."""


def write_request(method: bytes, path: bytes, name: bytes, lines: Lines, body: bytes = b"") -> bytes:
    """Write a request of Alice's with a field in so many lines; each other field that it needs is spelt plainly."""
    fields = [(b"Host", b"test"), *((name, line) for line in lines)]
    if name != b"Authorization":
        fields.append((b"Authorization", b"Bearer " + TOKEN))
    if body and name not in {b"Content-Length", b"Transfer-Encoding"}:
        fields.append((b"Content-Length", b"%d" % len(body)))
    written = b"".join(b"%b:%b\r\n" % field for field in fields)
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, path, written, body)


def ask(server: Server, *request: bytes) -> httpx.Response:
    """Send one request, and give its answer."""
    with connect(server) as wire:
        wire.send(*request)
        return wire.read_answer()


def show(lines: object) -> str:
    return str(lines)


# Conditions: `*`, or a list of entity tags (RFC 9110, sections 13.1.1 and 13.1.2). In place of %b stands the tag.

CURRENT: list[Lines] = [
    (b"%b",),
    (b" \t%b\t ",),
    (b"%b,",),
    (b",%b",),
    (b'"x",,%b',),
    (b'"x" , ,\t,%b\t,  ,',),
    (b",,,,%b,,,,",),
    (b'"a,b",%b',),
    (b'%b,"\\",""',),
    (b'"\xe9",%b',),
    (b'W/"x" ,%b',),
    (b"," * 2000 + b"%b",),
    (b'"x"', b"%b"),
    (b'"x",', b"", b",%b"),
    (b"*",),
    (b"\t*\t",),
]

ANOTHER: list[Lines] = [
    (b'"x"',),
    (b'"x",',),
    (b',"x"',),
    (b'"x",,"y"',),
    (b'"x" \t,\t ,"y",',),
    (b'"a,b"',),
    (b'","',),
    (b'"W/"',),
    (b'"*"',),
    (b'""',),
    (b'"\xe9\xff\x80"',),
    (b'"\\"',),
    (b'W/"x",',),
]

ILLEGAL: list[Lines] = [
    (b"",),
    (b",",),
    (b" , ,\t",),
    (b"", b""),
    (b"abc",),
    (b'"x',),
    (b'x"',),
    (b'"x" "y"',),
    (b'"x"; "y"',),
    (b'"x"y',),
    (b'"x",y',),
    (b"'x'",),
    (b"W/",),
    (b'w/"x"',),
    (b'W/ "x"',),
    (b'W/W/"x"',),
    (b'"x y"',),
    (b'"x\ty"',),
    (b'\xa0"x"',),
    (b'"x"\x85',),
    (b"**",),
    (b"*,",),
    (b",*",),
    (b'*, "x"',),
    (b'"x",*',),
    (b"*", b"*"),
    (b'"x', b'y"'),
    (b'",', b'"x"'),
]


def fill(lines: Lines, tag: bytes) -> Lines:
    return tuple(line.replace(b"%b", tag) for line in lines)


def ask_conditionally(server: Server, path: bytes, table: list[Lines], tag: bytes = b"") -> dict[Lines, int]:
    """Ask for a path under each condition of a table, and return what is answered."""
    requests = {lines: write_request(b"GET", path, b"If-None-Match", fill(lines, tag)) for lines in table}
    return {lines: ask(server, request).status_code for lines, request in requests.items()}


@pytest.mark.parametrize("path", [TASKS, TASK, TASKS + b"?limit=1", PAGE], ids=bytes.decode)
def test_a_condition_that_names_the_current_tag_spares_the_answer(
    path: bytes, server: Server, alice: httpx.Client
) -> None:
    """However the list is spelt; the pages of /docs know conditions too."""
    create_task(alice, ALICE)
    tag = alice.get(path.decode()).headers["ETag"].encode()
    assert ask_conditionally(server, path, CURRENT, tag) == dict.fromkeys(CURRENT, 304)


@pytest.mark.parametrize("path", [TASKS, TASK, PAGE], ids=bytes.decode)
def test_a_condition_that_names_other_tags_gets_the_whole_answer(
    path: bytes, server: Server, alice: httpx.Client
) -> None:
    """A comma or a star inside a tag is a part of it."""
    create_task(alice, ALICE)
    assert ask_conditionally(server, path, ANOTHER) == dict.fromkeys(ANOTHER, 200)


def test_a_change_is_made_under_a_condition_that_names_the_current_tag(server: Server, alice: httpx.Client) -> None:
    """The same spellings in If-Match."""
    seen = {}
    for lines in CURRENT:
        task = create_task(alice, ALICE)
        tag, path = b'"%b"' % task["updated_at"].encode(), TASKS + b"/%d" % task["id"]
        changed = ask(server, write_request(b"PATCH", path, b"If-Match", fill(lines, tag), BODY))
        deleted = write_request(b"DELETE", path, b"If-Match", fill(lines, changed.headers["ETag"].encode()))
        seen[lines] = (changed.status_code, ask(server, deleted).status_code)
    assert seen == dict.fromkeys(CURRENT, (200, 204))


def test_a_change_is_not_made_under_a_condition_that_names_other_tags(server: Server, alice: httpx.Client) -> None:
    """412, and nothing else."""
    task = create_task(alice, ALICE)
    seen = {
        (method, lines): ask(server, write_request(method, TASK, b"If-Match", lines, body)).status_code
        for method, body in ((b"PATCH", BODY), (b"DELETE", b""))
        for lines in ANOTHER
    }
    assert seen == dict.fromkeys(seen, 412)
    assert alice.get(ALICE.tasks).json() == [task]


@pytest.mark.parametrize(
    ("method", "path", "name", "body"),
    [
        (b"GET", TASKS, b"If-None-Match", b""),
        (b"GET", TASK, b"If-None-Match", b""),
        (b"PATCH", TASK, b"If-Match", BODY),
        (b"DELETE", TASK, b"If-Match", b""),
    ],
    ids=["list", "get", "update", "delete"],
)
def test_a_condition_that_the_grammar_lacks_is_refused(
    method: bytes, path: bytes, name: bytes, body: bytes, server: Server, alice: httpx.Client
) -> None:
    """So is a list without a single tag: no client means it, and whichever way it was read would surprise one."""
    task = create_task(alice, ALICE)
    field = name.decode()
    refusal = {**expect_problem(422, f"{field} {FORM}."), "errors": [{"detail": FORM, "pointer": field}]}
    seen = {lines: ask(server, write_request(method, path, name, lines, body)).json() for lines in ILLEGAL}
    assert seen == dict.fromkeys(ILLEGAL, refusal)
    assert alice.get(ALICE.tasks).json() == [task]


@pytest.mark.parametrize("unit", [",", " ", "\t,", '"', '"",', 'W/"x" ', 'W/"x", ,', '"x"', "W/", "*"])
@pytest.mark.parametrize("end", ["", "!", '"', "W/"])
def test_a_condition_is_judged_in_linear_time(unit: str, end: str) -> None:
    """A hostile one as long as a head may be would else hold the worker; a squared or worse cost takes minutes here."""
    (schema,) = {
        repr(parameter["schema"]): parameter["schema"]
        for name, parameter in load_contract()["components"]["parameters"].items()
        if name in {"If-Match", "If-None-Match"}
    }.values()
    check = compile_schema(schema)
    errors: list[FieldError] = []
    started = time.process_time()
    for _ in range(10):
        check(unit * (65_536 // len(unit)) + end, "", errors)
    assert time.process_time() - started < 5


def test_the_two_patterns_of_conditions_are_one() -> None:
    """If-Match and If-None-Match have the same grammar."""
    assert read_contract().count(b"pattern: '^(\\*|") == 2


# The other fields: whose spelling is legal, whose is not, and what is seen of it.

AUTHORIZATION: dict[Lines, int] = {
    **dict.fromkeys([(b"Bearer " + TOKEN,), (b" \tbearer   " + TOKEN + b"\t ",), (b"BEARER " + TOKEN,)], 200),
    **dict.fromkeys(
        [
            (b"",),
            (b"Bearer",),
            (b"Bearer\t" + TOKEN,),
            (b"Bearer" + TOKEN,),
            (b"Bearer " + TOKEN + b" x",),
            (b"Bearer " + TOKEN + b",",),
            (b",Bearer " + TOKEN,),
            (b'"Bearer" ' + TOKEN,),
            (b"Basic " + TOKEN,),
            (b"Bearer " + TOKEN, b"Bearer " + TOKEN),
            (b"Bearer \xff",),
        ],
        401,
    ),
}

CONTENT_TYPE: dict[Lines, int] = {
    **dict.fromkeys(
        [
            (b"application/json",),
            (b"\t APPLICATION/Json \t",),
            (b"application/json;",),
            (b"application/json \t;\t charset=utf-8",),
            (b'application/json;charset="utf-8";',),
            (b"application/json; ;\t;charset=utf-8",),
            (b'application/json; x="a;b,c\\""; charset=utf-8',),
            (b"",),
        ],
        201,
    ),
    **dict.fromkeys(
        [
            (b"application/json,",),
            (b",application/json",),
            (b"application/json charset=utf-8",),
            (b"application /json",),
            (b"application/ json",),
            (b'"application/json"',),
            (b"application/json", b"application/json"),
            (b"application/json", b"text/plain"),
            (b"application/json; charset=utf-8", b"text/plain"),
            (b"application",),
            (b"/json",),
            (b";charset=utf-8",),
        ],
        415,
    ),
}

CONTENT_ENCODING: dict[Lines, int] = {
    **dict.fromkeys(
        [
            (b"identity",),
            (b" Identity\t",),
            (b"identity,",),
            (b",identity",),
            (b"identity , ,\tIDENTITY",),
            (b"",),
            (b",",),
            (b"identity", b""),
        ],
        201,
    ),
    **dict.fromkeys(
        [
            (b"gzip",),
            (b"gzip,",),
            (b",gzip",),
            (b"identity, gzip",),
            (b"identity gzip",),
            (b"identity;q=1",),
            (b"identity", b"gzip"),
            (b"\xff",),
        ],
        415,
    ),
}

IDEMPOTENCY_KEY: dict[Lines, int] = {
    **dict.fromkeys([(b"a",), (b"\t b \t",), (b'"a"',), (b"a,b",), (b"," * 255,)], 201),
    **dict.fromkeys([(b"",), (b"a b",), (b"a\tb",), (b"\xe9",), (b"a" * 256,), (b"a", b"a"), (b"a", b"")], 422),
}

CONTENT_LENGTH: dict[Lines, int] = {
    **dict.fromkeys([(b"%d" % len(BODY),), (b" \t%d " % len(BODY),), (b"0%d" % len(BODY),)], 201),
    **dict.fromkeys([(b"",), (b"+%d" % len(BODY),), (b"%d," % len(BODY),), (b"%d;" % len(BODY),)], 400),
}


def test_a_token_comes_behind_its_scheme(server: Server, database: psycopg.Connection) -> None:
    """RFC 9110, section 11.6.2: a scheme in any case, spaces, a token; and one field, which is no list."""
    assert not database.closed
    requests = {lines: write_request(b"GET", TASKS, b"Authorization", lines) for lines in AUTHORIZATION}
    assert {lines: ask(server, request).status_code for lines, request in requests.items()} == AUTHORIZATION


@pytest.mark.parametrize(
    ("name", "table"),
    [
        (b"Content-Type", CONTENT_TYPE),
        (b"Content-Encoding", CONTENT_ENCODING),
        (b"Content-Length", CONTENT_LENGTH),
        (b"Idempotency-Key", IDEMPOTENCY_KEY),
    ],
    ids=["type", "encoding", "length", "key"],
)
def test_a_create_is_read_as_its_fields_say(
    name: bytes, table: dict[Lines, int], server: Server, alice: httpx.Client
) -> None:
    """RFC 9110, sections 8.3, 8.4 and 8.6; the key's grammar is the contract's own."""
    requests = {lines: write_request(b"POST", TASKS, name, lines, BODY) for lines in table}
    assert {lines: ask(server, request).status_code for lines, request in requests.items()} == table
    assert len(alice.get(ALICE.tasks).json()) == list(table.values()).count(201)


def test_white_space_around_a_key_is_no_part_of_it(server: Server, database: psycopg.Connection) -> None:
    """RFC 9110, section 5.5: two spellings of one key make one task."""
    assert not database.closed
    answers = [
        ask(server, write_request(b"POST", TASKS, b"Idempotency-Key", (line,), BODY)).json()
        for line in (b"one-key", b"\tone-key ", b"  one-key\t")
    ]
    assert answers == [answers[0]] * 3


@pytest.mark.parametrize("line", [b"chunked", b"CHUNKED", b" chunked "])
def test_a_body_may_come_in_chunks(line: bytes, server: Server, database: psycopg.Connection) -> None:
    """RFC 9112, section 6.1."""
    assert not database.closed
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert ask(server, write_request(b"POST", TASKS, b"Transfer-Encoding", (line,), chunks)).status_code == 201


@pytest.mark.parametrize(
    "lines", [(b"chunked,",), (b",chunked",), (b",", b"chunked"), (b"chunked;x=1",), (b"chunked\x0b",)]
)
def test_chunks_are_announced_in_one_way(lines: Lines, server: Server, alice: httpx.Client) -> None:
    """Here alone, empty elements are refused: where a body ends must not depend on how lenient a proxy is."""
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert ask(server, write_request(b"POST", TASKS, b"Transfer-Encoding", lines, chunks)).status_code == 400
    assert alice.get(ALICE.tasks).json() == []


@pytest.mark.parametrize(
    "lines",
    [(b"100-continue",), (b"\t100-Continue ",), (b"100-continue,",), (b", ,100-continue",), (b"", b"100-continue")],
    ids=show,
)
def test_a_client_that_asks_first_is_answered_first(lines: Lines, server: Server, database: psycopg.Connection) -> None:
    """Expect is a list (RFC 9110, section 10.1.1)."""
    assert not database.closed
    with connect(server) as wire:
        request = write_request(b"POST", TASKS, b"Expect", lines, BODY)
        wire.send(request.removesuffix(BODY))
        assert wire.read_answer().status_code == 100
        wire.send(BODY)
        assert wire.read_answer().status_code == 201


@pytest.mark.parametrize(
    "lines", [(b"close",), (b"\tClose ",), (b"close,",), (b", close",), (b"x,\tCLOSE ,",), (b"x", b"close")], ids=show
)
def test_a_client_that_wants_the_end_gets_it(lines: Lines, server: Server) -> None:
    """Connection is a list (RFC 9110, section 7.6.1)."""
    with connect(server) as wire:
        wire.send(write_request(b"GET", b"/livez", b"Connection", lines))
        assert wire.read_answer().status_code == 200
        assert wire.read_to_end() == b""


@pytest.mark.parametrize(
    "lines", [(b"keep-alive",), (b"closed",), (b"x-close",), (b"",), (b",",), (b"keep-alive", b"")], ids=show
)
def test_a_client_that_does_not_keeps_its_connection(lines: Lines, server: Server) -> None:
    """The next request goes the same way."""
    with connect(server) as wire:
        assert [read_again(wire, lines) for _ in range(2)] == [200, 200]


def read_again(wire: Wire, lines: Lines) -> int:
    wire.send(write_request(b"GET", b"/livez", b"Connection", lines))
    return wire.read_answer().status_code


PREFLIGHTS: dict[Lines, int] = {
    **dict.fromkeys(
        [
            (b"authorization",),
            (b"\tAuthorization ",),
            (b"authorization,",),
            (b",authorization",),
            (b"authorization,,content-type",),
            (b"if-match \t,\t, IF-NONE-MATCH , ",),
            (b"authorization", b"content-type"),
            (b"authorization", b""),
            (b"",),
        ],
        200,
    ),
    **dict.fromkeys(
        [
            (b"x-other",),
            (b"authorization, x-other",),
            (b"authorization,,x-other,",),
            (b"authorization", b"x-other"),
            (b"authorization content-type",),
            (b"authorization;",),
            (b"*",),
        ],
        400,
    ),
}


def test_a_preflight_lists_the_headers_that_follow(server: Server) -> None:
    """The Fetch standard's list of names, in RFC 9110's notation."""
    about = b"\r\nOrigin: %b\r\nAccess-Control-Request-Method: PATCH\r\n" % ORIGIN
    requests = {
        lines: write_request(b"OPTIONS", TASK, b"Access-Control-Request-Headers", lines).replace(b"\r\n", about, 1)
        for lines in PREFLIGHTS
    }
    answers = {lines: ask(server, request) for lines, request in requests.items()}
    assert {lines: answer.status_code for lines, answer in answers.items()} == PREFLIGHTS
    refusals = [answer.json() for answer in answers.values() if answer.status_code == 400]
    assert refusals == [expect_problem(400, "Disallowed CORS headers.")] * len(refusals)


@pytest.mark.parametrize("line", [ORIGIN, b"\t " + ORIGIN + b" \t"], ids=show)
def test_white_space_around_an_origin_is_no_part_of_it(line: bytes, server: Server) -> None:
    """RFC 9110, section 5.5."""
    answer = ask(server, write_request(b"GET", b"/livez", b"Origin", (line,)))
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN.decode()


@pytest.mark.parametrize("line", [b"an-id", b" \tan-id\t "], ids=show)
def test_white_space_around_a_request_id_is_no_part_of_it(line: bytes, server: Server) -> None:
    """RFC 9110, section 5.5."""
    assert ask(server, write_request(b"GET", b"/livez", b"X-Request-Id", (line,))).headers["X-Request-Id"] == "an-id"


def test_two_traces_are_none() -> None:
    """W3C Trace Context has one traceparent; of two, nobody knows which one is meant."""
    one, other = (b"00-%b-00f067aa0ba902b7-01" % (digit * 32) for digit in (b"a", b"b"))
    assert make_record([(b"traceparent", one)]).trace == "a" * 32
    assert make_record([(b"traceparent", one), (b"traceparent", other)]).trace is None


@pytest.mark.parametrize(
    ("lines", "elements"),
    [
        ([], []),
        ([b""], []),
        ([b", ,\t"], []),
        ([b"a"], [b"a"]),
        ([b" a ,\tB,"], [b"a", b"b"]),
        ([b"a", b"", b"b,c"], [b"a", b"b", b"c"]),
        ([b"\xa0a"], [b"\xa0a"]),
    ],
)
def test_a_list_has_the_elements_that_are_not_empty(lines: list[bytes], elements: list[bytes]) -> None:
    """RFC 9110, section 5.6.1.2; the lines of one name are one list."""
    headers = [(b"x", b"other"), *((b"name", line) for line in lines)]
    assert list_elements(headers, b"name") == elements

"""HTTP requests that are nearly right: handshakes of charge points, and calls of the REST API.

They are bytes, so that nothing on the way puts them in order. Nothing is sent from here.
"""

from __future__ import annotations

import base64
import copy
import random
from typing import Any
from urllib.parse import quote, quote_from_bytes

from tests.faults import fuzz_json

_KEY = base64.b64encode(bytes(range(16))).decode()
_IDENTITIES = [
    b"CP-1", b"CP-2", b"", b"a/b", b"a%2Fb", b"a%00b", b"%FF", b"%", b"%zz", b"a:b", b"x" * 49,
    b"x" * 5000, b"..", b"../../api/v1/charge-points", b"%2e%2e", b"a b", b"\xc3\xbc", b"%C3%BC",
    b"%E2%80%AE", b"a?b=c", b"a#b", b"a;b", b"a%0d%0aX:y", b"\x00", b"\xff\xfe", b"{id}", b"'--",
    b"%ED%A0%80", b"%25",
]  # fmt: skip
_PREFIXES = [
    b"/ocpp/", b"/ws/CentralSystemService/", b"/OCPP/", b"/ocpp", b"//ocpp/", b"/ocpp//", b"/", b"",
    b"/ws/", b"http://localhost/ocpp/", b"*", b"/ocpp/../ocpp/",
]  # fmt: skip
_METHODS = [
    b"GET",
    b"POST",
    b"get",
    b"HEAD",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PRI",
    b"G\x00T",
    b"",
]
_VERSIONS = [
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/0.9",
    b"HTTP/1.2",
    b"HTTP/11",
    b"http/1.1",
    b"",
]
_HOSTILE_VALUES = [
    b"", b" ", b"\x00", b"\xff\xfe", b"x" * 9000, b"a\r\nX-Injected: y", b"a\nb", b"\t", b"0",
    b"-1",
    b"99999999999999999999", b"chunked", b"identity, chunked", b"gzip", b"100-continue", b"*/*",
    b"text/html;q=x", b"Basic", b"Bearer ", b"bytes=0-", b"W/\"1\"", b"%s", b"\xc3\xa9", b"close",
    b"keep-alive, Upgrade", b"websocket", b"h2c", b"13, 8", b"null", b"http://evil.example",
]  # fmt: skip
_NAMES = [
    b"Host", b"Upgrade", b"Connection", b"Sec-WebSocket-Version", b"Sec-WebSocket-Key",
    b"Sec-WebSocket-Protocol", b"Sec-WebSocket-Extensions", b"Authorization", b"Origin",
    b"Content-Length", b"Transfer-Encoding", b"Content-Type", b"Accept", b"Expect", b"If-Match",
    b"If-None-Match", b"Idempotency-Key", b"X-Forwarded-For", b"X-Forwarded-Proto", b"Cookie",
    b"Range", b"User-Agent", b"Trailer", b"HTTP2-Settings", b"X y", b"X:y", b"", b"\xff", b"X\x00",
]  # fmt: skip
_BASIC = [
    b"CP-1:" + bytes(20), b"CP-1:", b":", b"", b"CP-1", b"CP-2:x", b"\xff:\xff",
    b"CP-1:" + b"x" * 4000,
    b"CP-1:\x00", b"CP-1:a:b",
]  # fmt: skip
_PROTOCOLS = [
    b"ocpp1.6",
    b"ocpp2.0.1",
    b"ocpp0.1, ocpp1.6",
    b",",
    b"",
    b"OCPP1.6",
    b"ocpp1.6,ocpp1.6",
    b"\xff",
]

Headers = list[tuple[bytes, bytes]]


def handshake(rng: random.Random) -> bytes:
    """A handshake; three of four have one to three faults."""
    method, version = b"GET", b"HTTP/1.1"
    path = rng.choice([b"/ocpp/", b"/ws/CentralSystemService/"]) + b"CP-%d" % rng.randrange(40)
    headers: Headers = [
        (b"Host", b"localhost"),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Version", b"13"),
        (b"Sec-WebSocket-Key", _KEY.encode()),
        (b"Sec-WebSocket-Protocol", b"ocpp1.6"),
    ]
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        match rng.randrange(8):
            case 0:
                path = rng.choice(_PREFIXES) + rng.choice(_IDENTITIES)
            case 1:
                path = b"/ocpp/" + quote_from_bytes(rng.randbytes(rng.randint(1, 60))).encode()
            case 2:
                method = rng.choice(_METHODS)
            case 3:
                version = rng.choice(_VERSIONS)
            case 4:
                basic = base64.b64encode(rng.choice(_BASIC))
                value = rng.choice([basic, basic[:-1], b"!" + basic, rng.randbytes(12)])
                scheme = rng.choice([b"Basic ", b"basic ", b"Bearer ", b"Basic", b"Digest "])
                headers.append((b"Authorization", scheme + value))
            case 5:
                headers = _with(headers, b"Sec-WebSocket-Protocol", rng.choice(_PROTOCOLS))
            case 6:
                key = rng.choice([b"", b"x", _KEY.encode()[:-1], _KEY.encode() * 2, b"\xff" * 24])
                headers = _with(headers, b"Sec-WebSocket-Key", key)
            case _:
                headers = _disturbed(rng, headers)
    return _text(rng, b" ".join((method, path, version)), headers)


def rest_call(rng: random.Random, document: dict[str, Any], key: str) -> bytes:
    """A call of an operation of the OpenAPI document, with faults in any of its parts."""
    path, operations = rng.choice(list(document["paths"].items()))
    method = rng.choice([name for name in operations if name != "parameters"])
    operation = operations[method]
    target = _path(rng, path) + _query(rng, operations, operation)
    headers: Headers = [(b"Host", b"localhost"), (b"Connection", b"close")]
    if rng.random() < 0.95:
        headers.append((b"Authorization", b"Bearer " + key.encode()))
    body = b""
    if method in ("post", "put", "patch") and rng.random() < 0.95:
        body = _body(rng, document, operation)
        kinds = [b"application/json"] * 8 + [b"text/csv", b"application/json; charset=utf-16", b""]
        headers.append((b"Content-Type", rng.choice(kinds)))
        headers.append((b"Content-Length", b"%d" % len(body)))
    if rng.random() < 0.2:
        name = rng.choice([b"Accept", b"If-Match", b"If-None-Match", b"Idempotency-Key", b"Range"])
        headers.append((name, rng.choice(_HOSTILE_VALUES)))
    if rng.random() < 0.1:
        headers = _disturbed(rng, headers)
    verb = method.upper().encode() if rng.random() < 0.97 else rng.choice(_METHODS)
    return _text(rng, b" ".join((verb, target, b"HTTP/1.1")), headers) + body


def _path(rng: random.Random, path: str) -> bytes:
    """The path with something in the place of each of its parameters."""
    filled = b""
    for number, part in enumerate(path.replace("}", "{").split("{")):
        if number % 2 == 0:
            filled += part.encode()
        elif rng.random() < 0.6:
            filled += rng.choice([b"1", b"2", b"CP-1", b"CP-2", b"T", b"9999"])
        else:
            filled += rng.choice([*_IDENTITIES, *(quote(str(each)).encode() for each in _WELL)])
    return filled


_WELL = [each for each in fuzz_json.STRANGE if not isinstance(each, str) or each.isprintable()]


def _query(rng: random.Random, operations: dict[str, Any], operation: dict[str, Any]) -> bytes:
    """Nobody waits for a charge point to answer a command: `wait` is 0, where it is right."""
    known = [*operations.get("parameters", ()), *operation.get("parameters", ())]
    names = [each["name"] for each in known if each.get("in") == "query"]
    pairs = [b"wait=0"] if "wait" in names else []
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        name = rng.choice([*names, "nonsense", "", "\x00"])
        if name == "wait":
            continue
        value = rng.choice([*_WELL, "1", "2026-03-01T00:00:00Z", "-id", "id,-id", "csv", "ndjson"])
        raw = quote(str(value)).encode() if rng.random() < 0.9 else rng.choice(_IDENTITIES[4:9])
        pairs.append(quote(name).encode() + b"=" + raw)
    return b"?" + b"&".join(pairs) if pairs else b""


def _body(rng: random.Random, document: dict[str, Any], operation: dict[str, Any]) -> bytes:
    content = operation.get("requestBody", {}).get("content", {})
    example = copy.deepcopy(_example(document, content.get("application/json", {})))
    for _ in range(rng.choice([0, 1, 1, 2, 3])):
        if isinstance(example, dict | list):
            fuzz_json.mutate(rng, example)
    return fuzz_json.near_text(rng, example)


def _example(document: dict[str, Any], content: dict[str, Any]) -> Any:
    if "example" in content:
        return content["example"]
    if "examples" in content:
        return next(iter(content["examples"].values())).get("value", {})
    return _made(document, content.get("schema", {}), 0)


def _made(document: dict[str, Any], schema: dict[str, Any], depth: int) -> Any:
    """A value for a schema, of its examples where it has some."""
    if "$ref" in schema:
        return _made(
            document, document["components"]["schemas"][schema["$ref"].split("/")[-1]], depth
        )
    if "example" in schema:
        return schema["example"]
    if "properties" in schema and depth < 5:
        return {name: _made(document, of, depth + 1) for name, of in schema["properties"].items()}
    if "items" in schema:
        return [_made(document, schema["items"], depth + 1)]
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type")
    return {"integer": 1, "number": 1, "boolean": True, "object": {}}.get(str(kind), "text")


def _with(headers: Headers, name: bytes, value: bytes) -> Headers:
    return [*((n, v) for n, v in headers if n != name), (name, value)]


def _disturbed(rng: random.Random, headers: Headers) -> Headers:
    """One header less, more, twice, or with another value."""
    changed = list(headers)
    place = rng.randrange(len(changed))
    match rng.randrange(5):
        case 0:
            del changed[place]
        case 1:
            changed.insert(place, changed[place])
        case 2:
            changed[place] = (changed[place][0], rng.choice(_HOSTILE_VALUES))
        case 3:
            changed.insert(place, (rng.choice(_NAMES), rng.choice(_HOSTILE_VALUES)))
        case _:
            changed += [(b"X-%d" % n, b"y") for n in range(rng.choice([50, 99, 101, 300]))]
    return changed


def _text(rng: random.Random, line: bytes, headers: Headers) -> bytes:
    """The head of the request; one in ten has a fault in its text."""
    end, colon = b"\r\n", b": "
    if rng.random() < 0.04:
        end = rng.choice([b"\n", b"\r", b"\r\n ", b"\r\r\n"])
    if rng.random() < 0.04:
        colon = rng.choice([b":", b" : ", b"", b":\t"])
    data = end.join([line, *(name + colon + value for name, value in headers), b"", b""])
    if rng.random() < 0.03:
        return data[: rng.randrange(len(data))]
    return data

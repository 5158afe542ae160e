"""Requests as bytes: what no client library would send, and what a server has to bear."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from random import Random
from urllib.parse import urlsplit

HOST = b"Host: 127.0.0.1\r\n"
END = b"\r\n"
ROUTES = (
    b"/upload",
    b"/upload_batch",
    b"/results",
    b"/uploads/presign",
    b"/events",
    b"/",
    b"/stats",
)
ANSWER_WITHIN_S = 20.0
ODD = (
    b"\x00",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"%00",
    b"%ff%fe",
    b"%ed%a0%80",
    b"\x7f",
    b"\t",
    b"..%2f..%2fetc%2fpasswd",
    b"'; DROP TABLE predictions; --",
    b"${jndi:ldap://x}",
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    b"9" * 400,
    b"-1",
    b"1e999",
    b"NaN",
    b"x" * 3000,
)


def post(path: bytes, body: bytes, *headers: bytes, method: bytes = b"POST") -> bytes:
    """Return a request with a length of its own."""
    lines = [method + b" " + path + b" HTTP/1.1\r\n", HOST, *(one + END for one in headers)]
    return b"".join(lines) + b"Content-Length: %d\r\n\r\n" % len(body) + body


def form(*parts: tuple[bytes, bytes], path: bytes = b"/upload") -> bytes:
    """Return a form of these parts, each with the lines of its header and its content."""
    body = b"".join(b"--b\r\n" + head + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
    return post(path, body + b"--b--\r\n", b"Content-Type: multipart/form-data; boundary=b")


def named(name: bytes, filename: bytes | None = None) -> bytes:
    """Return the header of a form's part."""
    head = b'Content-Disposition: form-data; name="' + name + b'"'
    return head if filename is None else head + b'; filename="' + filename + b'"'


def handmade(tile: bytes) -> Iterator[tuple[str, bytes]]:
    """Give requests that are wrong in a way of their own, by name."""
    jpeg, json_type = b"Content-Type: image/jpeg", b"Content-Type: application/json"
    for length in (b"-1", b"+5", b"0x10", b"1e3", b"", b" ", b"5, 5", b"9" * 30, b"\xb2"):
        head = b"POST /upload HTTP/1.1\r\n" + HOST + jpeg + b"\r\nContent-Length: "
        yield f"length {length!r}", head + length + b"\r\n\r\n" + tile[:5]
    twice = b"Content-Length: 5\r\nContent-Length: 6"
    yield "two lengths", b"POST /upload HTTP/1.1\r\n" + HOST + twice + b"\r\n\r\n" + tile[:6]
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked"
    yield "length and chunks", b"POST /upload HTTP/1.1\r\n" + HOST + both + b"\r\n\r\n0\r\n\r\n"
    for coding in (b"gzip", b"chunked, chunked", b"identity", b"xchunked", b"chunked\x00", b"\xff"):
        head = b"POST /upload HTTP/1.1\r\n" + HOST + jpeg + b"\r\nTransfer-Encoding: " + coding
        yield f"coding {coding!r}", head + b"\r\n\r\n0\r\n\r\n"
    for chunk in (b"-5", b"ffffffffffffffff", b"5;" + b"x" * 9000, b"0x5", b" 5", b"", b"5\n"):
        head = b"POST /upload HTTP/1.1\r\n" + HOST + jpeg + b"\r\nTransfer-Encoding: chunked"
        yield f"chunk {chunk[:20]!r}", head + END + END + chunk + b"\r\nhello\r\n0\r\n\r\n"
    for host in (b"", b"a b", b"\xff", b"x" * 9000, b"a:99999", b"[::1", b"a/b", b"a\x00b"):
        yield f"host {host[:9]!r}", b"GET /health HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    yield "no host", b"GET /health HTTP/1.1\r\n\r\n"
    yield "two hosts", b"GET /health HTTP/1.1\r\n" + HOST + HOST + END
    yield "10,000 headers", b"GET / HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 10_000 + END
    yield "a huge header", b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 1_000_000 + END + END
    yield "a huge line", b"GET /results?search=" + b"a" * 100_000 + b" HTTP/1.1\r\n" + HOST + END
    yield "an unnamed header", b"GET / HTTP/1.1\r\n" + HOST + b": y\r\n\r\n"
    yield "a folded header", b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n"
    for line in (
        b"GET",
        b"GET /",
        b"GET / HTTP/9.9",
        b"get / HTTP/1.1",
        b"\x16\x03\x01",
        b"PRI * HTTP/2.0",
    ):
        yield f"line {line!r}", line + END + HOST + END
    for target in (b"*", b"http://evil.example/results", b"//results", b"/results#x", b"/%2e%2e/"):
        yield f"target {target!r}", b"GET " + target + b" HTTP/1.1\r\n" + HOST + END
    yield "OPTIONS *", b"OPTIONS * HTTP/1.1\r\n" + HOST + END
    for kind in (
        b"",
        b"image/",
        b"/",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=" + b"b" * 5000,
        b"application/json; charset=utf-7",
        b"application/json; charset=nonsense",
        b"image/jpeg\xff",
        b"text/xml",
        b"a" * 5000,
    ):
        yield f"type {kind[:40]!r}", post(b"/upload", b"<a/>", b"Content-Type: " + kind)
    yield "many parts", form(*[(named(b"x"), b"")] * 20_000)
    yield "many parts of files", form(*[(named(b"files", b"a"), b"")] * 5000, path=b"/upload_batch")
    yield "a large field", form((named(b"true_label"), b"x" * 2_000_000))
    yield (
        "fields of one name",
        form(*[(named(b"true_label"), b"Forest")] * 50, (named(b"file", b"a"), tile)),
    )
    yield (
        "no end",
        post(
            b"/upload",
            b"--b\r\n" + named(b"file", b"a") + b"\r\n\r\n" + tile,
            b"Content-Type: multipart/form-data; boundary=b",
        ),
    )
    yield "a part's huge header", form((named(b"file", b"a" * 500_000), tile))
    yield (
        "a part in base64",
        form((named(b"file", b"a") + b"\r\nContent-Transfer-Encoding: base64", b"/9j/")),
    )
    for odd in ODD:
        yield f"file named {odd[:20]!r}", form((named(b"file", odd), tile))
        yield f"label {odd[:20]!r}", form((named(b"file", b"a"), tile), (named(b"true_label"), odd))
    for text in (
        b"[" * 200_000,
        b'{"a":' * 50_000,
        b'{"image_base64": ' + b"9" * 5000 + b"}",
        b'"\\ud800"',
        b'{"image_base64": "\\ud800"}',
        b'{"image_base64": "", "filename": "\\ud800\\u0000"}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b"nul",
        b"{}{}",
        b'{"a": 1e99999}',
        b"1" * 100_000,
        b'{"image_base64": "", "image_base64": 7}',
        b'{"filename": "a", "true_label": "\\ud800"}',
    ):
        for path in (b"/upload", b"/uploads/presign", b"/uploads/complete"):
            yield f"JSON {text[:30]!r} to {path.decode()}", post(path, text, json_type)
    for query in (
        b"limit=" + b"9" * 400,
        b"id=9223372036854775808",
        b"minutes=1e3",
        b"cursor=%00",
        b"request_id=" + b"0" * 5000,
        b"&".join([b"request_id=x"] * 1000),
        b"%ff=%fe",
        b"&&&==",
        b"search=%ed%a0%80",
        b"search=%00",
        b"correct=maybe",
        b"wait=nan",
        b"a" * 7000,
    ):
        for path in (b"/results", b"/results.csv", b"/stats/series", b"/events", b"/upload"):
            yield (
                f"query {query[:30]!r} of {path.decode()}",
                b"GET " + path + b"?" + query + b" HTTP/1.1\r\n" + HOST + END,
            )


def mutated(tile: bytes, rng: Random) -> bytes:
    """Return a request that was sound, or nearly, with some of its bytes damaged."""
    path = rng.choice(ROUTES)
    sound = rng.choice(
        (
            post(path, tile, b"Content-Type: image/jpeg", b"Prefer: wait=1"),
            form((named(b"file", rng.choice(ODD)), tile), (named(b"true_label"), b"Forest")),
            post(
                path,
                json.dumps({"image_base64": "/9j/", "filename": "a"}).encode(),
                b"Content-Type: application/json",
            ),
            b"GET " + path + b"?limit=1&search=a HTTP/1.1\r\n" + HOST + b"Accept: */*\r\n\r\n",
        )
    )
    changed = bytearray(sound)
    among = len(sound) if rng.random() < 0.3 else min(len(sound), 250)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(among)
        match rng.randrange(4):
            case 0:
                changed[at : at + 1] = bytes([rng.getrandbits(8)])
            case 1:
                changed[at:at] = rng.choice(ODD)
            case 2:
                del changed[at : at + rng.choice((1, 2, 20))]
            case _:
                changed[at:at] = rng.choice(
                    (b"\r\n", b"\n", b"\r", b": ", b"\x00", b" ", b"\r\n\r\n")
                )
    return bytes(changed)


def answered(url: str, request: bytes) -> tuple[int, bytes]:
    """Send it, say that this was all, and return the answer's status and all of it.

    The status is 0 where the server closed the connection without an answer.
    """
    address = urlsplit(url)
    answer = b""
    with socket.create_connection((address.hostname or "", address.port or 80), 5) as client:
        client.settimeout(ANSWER_WITHIN_S)
        try:
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            while (piece := client.recv(65_536)) and len(answer) < 10_000_000:
                answer += piece
                if b"event-stream" in answer:  # which does not end
                    break
        except (ConnectionError, BrokenPipeError):
            pass  # it is told before all was read
    status = answer.split(b" ", 2)[1] if answer.startswith(b"HTTP/1.") else b"0"
    return int(status), answer

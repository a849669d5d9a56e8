"""Writes signing.json: what every signer must produce and every verifier must answer.

An implementation of the wire profile of its own (RFC 9421, RFC 9530), which shares no code with the
service or an SDK. Malformed signatures are still signed over their own text, so that nothing but the
rule in question refuses them. With --check it writes nothing, and fails when the file differs.
"""

import base64
import hashlib
import hmac
import json
import pathlib
import sys
import zlib

FILE = pathlib.Path(__file__).with_name("signing.json")
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
CREATED = 1_700_000_000
NOW = CREATED + 1
NONCE = "AAECAwQFBgcICQoLDA0ODw"
HOST = "api.example.com"
PATH = "/pdaas.v1.OrganizationService/GetOrganization"
PROTO = bytes.fromhex("0a036f7267")
JSON = b'{"name":"org"}'
FOUR = ["@method", "@authority", "@path", "content-digest"]
FIVE = [*FOUR, "content-type"]
GET = ["@method", "@authority", "@path", "@query"]


def base62(number, length):
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = BASE62[digit] + digits
    return digits


def secret_key(seed):
    text = "sk_" + base62(int.from_bytes(hashlib.sha256(seed.encode()).digest(), "big"), 43)
    return text + base62(zlib.crc32(text.encode()), 6)


def key(access_key):
    return {"access_key": access_key, "secret_key": secret_key(access_key)}


MAIN = key("sa_myorg_acc123_7GQxw2Vb0NcYp5Zt")
OTHER = key("sa_myorg_acc456_0TkLm8Rd3HsJq9Ua")
LONGEST = key("sa_" + "x" * 125)
UNKNOWN = key("sa_myorg_acc123_unknownToAnyone0")


def b64(data):
    return base64.b64encode(data).decode()


def mac(secret, lines):
    return hmac.digest(secret, "\n".join(lines).encode("latin-1"), "sha256")


def digest(body):
    return f"sha-256=:{b64(hashlib.sha256(body).digest())}:"


def envelope(message):
    """The content of a gRPC or gRPC-Web request: one message, not compressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def authority_of(host):
    host = host.lower()
    for port in (":80", ":443"):
        if host.endswith(port):
            return host[: -len(port)]
    return host


def value_of(request, name):
    """The value of a component (RFC 9421 sections 2.1 and 2.2)."""
    path, mark, query = request["target"].partition("?")
    derived = {
        "@method": request["method"],
        "@authority": authority_of(request["authority"]),
        "@path": path or "/",
        "@query": mark + query or "?",
        "@scheme": "https",
    }
    fields = [value.strip(" \t") for field, value in request["headers"] if field == name]
    return derived.get(name, ", ".join(fields))


def identifier(name):
    return name if name.startswith('"') else f'"{name}"'


def signature_base(request, names, params):
    lines = []
    for name in map(identifier, names):
        lines.append(f"{name}: {value_of(request, name[1 : name.index(chr(34), 1)])}")
    return [*lines, f'"@signature-params": {params}']


def params_of(names, drop=None, **raw):
    """The text of `@signature-params`; `raw` has values as they are written."""
    values = {
        "created": CREATED,
        "expires": CREATED + 60,
        "nonce": f'"{NONCE}"',
        "keyid": f'"{MAIN["access_key"]}"',
        "alg": '"hmac-sha256"',
        "tag": '"pdaas-v1"',
        **raw,
    }
    text = "".join(f";{name}={value}" for name, value in values.items() if name != drop)
    return f"({' '.join(map(identifier, names))}){text}"


# Signing


def sign(name, url, content_type, covers, body, key=MAIN, created=CREATED, nonce=NONCE):
    host, _, path = url.partition("://")[2].partition("/")
    headers = [["content-type", content_type], ["content-digest", digest(body)]]
    request = {"method": "POST", "target": f"/{path}", "authority": host, "headers": headers}
    names = FIVE if covers else FOUR
    quoted = {"nonce": f'"{nonce}"', "keyid": f'"{key["access_key"]}"'}
    params = params_of(names, created=created, expires=created + 60, **quoted)
    lines = signature_base(request, names, params)
    return {
        "name": name,
        **key,
        "request": {
            "method": "POST",
            "url": url,
            "content_type": content_type,
            "covers_content_type": covers,
            "body_hex": body.hex(),
        },
        "created": created,
        "expires": created + 60,
        "nonce": nonce,
        "expect": {
            "content_digest": digest(body),
            "signature_input": f"sig={params}",
            "signature": f"sig=:{b64(mac(key['secret_key'].encode(), lines))}:",
            "signature_base": lines,
        },
    }


def sign_vectors():
    grpc, connect, proto = "application/grpc", "application/json", "application/proto"
    message = envelope(PROTO)
    large = envelope(bytes(i * 7 % 256 for i in range(3_000)))
    words = '{"display_name":"Grüße, 世界 🔑"}'.encode()
    return [
        sign("gRPC", f"http://{HOST}:50051{PATH}", grpc, False, message),
        sign("gRPC-Web", f"https://{HOST}{PATH}", "application/grpc-web+proto", False, message),
        sign("Connect JSON", f"https://{HOST}{PATH}", connect, True, JSON),
        sign("Connect binary", f"https://{HOST}{PATH}", proto, True, PROTO),
        sign("port 80 stripped", f"http://{HOST}:80{PATH}", grpc, False, message),
        sign("port 443 stripped", f"https://{HOST}:443{PATH}", connect, True, JSON),
        sign("upper-case host", f"https://API.Example.COM:8443{PATH}", connect, True, JSON),
        sign("IPv6 host", f"http://[2001:db8::7]:8080{PATH}", connect, True, JSON),
        sign("empty body", f"https://{HOST}{PATH}", proto, True, b""),
        sign("empty gRPC message", f"https://{HOST}{PATH}", grpc, False, envelope(b"")),
        sign("3000-byte message", f"https://{HOST}{PATH}", grpc, False, large),
        sign("non-ASCII JSON", f"https://{HOST}{PATH}", connect, True, words),
        sign("content type with a parameter", f"https://{HOST}{PATH}",
             "application/json; charset=utf-8", True, JSON),
        sign("another key, time and nonce", f"https://{HOST}{PATH}", grpc, False, message,
             OTHER, 1_893_456_000, "zZ9_-8yYxXwWvVuUtTsSrR"),
    ]


# Verifying


def grpc(**over):
    return {"method": "POST", "target": PATH, "authority": HOST, "type": "application/grpc",
            "headers": [], "body": envelope(PROTO), **over}


def connect(**over):
    return grpc(**{"type": "application/json", "body": JSON, **over})


def get(**over):
    return grpc(**{"method": "GET", "type": None, "body": b"", "digest": None, **over})


def verify(name, expect="OK", request=None, names=FOUR, now=NOW, change=None, *, params=None,
           key=MAIN, label="sig", drop=None, inputs="{}", signatures="{}", mac_bytes=None, **raw):
    """`inputs` and `signatures` wrap the member's text; `change` is done to the signed request."""
    signed = request or grpc()
    content, kind = signed.pop("body"), signed.pop("type")
    content_digest = signed.pop("digest", digest(content))
    headers = [["content-type", kind], ["content-digest", content_digest]]
    signed["headers"] = [header for header in headers if header[1] is not None] + signed["headers"]
    raw.setdefault("keyid", f'"{key["access_key"]}"')
    params = params or params_of(names, drop, **raw)
    signature = mac(key["secret_key"].encode(), signature_base(signed, names, params))
    signature = (mac_bytes or (lambda made: made))(signature)
    signed["headers"] += [
        ["signature-input", inputs.format(f"{label}={params}")],
        ["signature", signatures.format(f"{label}=:{b64(signature)}:")],
    ]
    signed["body_hex"] = content.hex()
    if change:
        change(signed)
    return {"name": name, "now": now, "request": signed, "expect": expect}


def header(name, value):
    """Replaces a header; without a value, removes it."""
    def change(request):
        kept = [h for h in request["headers"] if h[0] != name]
        request["headers"] = kept if value is None else [*kept, [name, value]]
    return change


def again(name, value=None):
    """Sends a header a second time, with the same value or another."""
    def change(request):
        first = next(v for n, v in request["headers"] if n == name)
        request["headers"].append([name, value or first])
    return change


def part(name, value):
    return lambda request: request.update({name: value})


def edit(name, old, new):
    """Replaces a piece of a header's text, which must be there."""
    def change(request):
        for h in request["headers"]:
            if h[0] == name:
                assert old in h[1], (name, old)
                h[1] = h[1].replace(old, new, 1)
    return change



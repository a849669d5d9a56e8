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


def valid_vectors():
    foreign = 'proxy=("@method" "x-a");created=1;keyid="p";tag="other"'
    extra = [["x-tenant", "t1"], ["x-trace", "1"], ["x-trace", "2"]]
    sixteen = [*FOUR, *(f"x-{i}" for i in range(12))]
    many = [[f"x-{i}", str(i)] for i in range(12)]
    pad = 2_048 - len(f'sig={params_of(FOUR)}, proxy=("")')
    gzip = connect(headers=[["content-encoding", "gzip"]], body=b"\x1f\x8b not decompressed")
    return [
        verify("gRPC"),
        verify("gRPC with +proto", request=grpc(type="application/grpc+proto")),
        verify("gRPC-Web", request=grpc(type="application/grpc-web")),
        verify("gRPC-Web with +proto", request=grpc(type="application/grpc-web+proto")),
        verify("Connect JSON", request=connect(), names=FIVE),
        verify("Connect binary", request=connect(type="application/proto", body=PROTO), names=FIVE),
        verify("Connect GET", request=get(target=f"{PATH}?encoding=json&message=%7B%7D"), names=GET),
        verify("GET without a query", request=get(), names=GET),
        verify("content type with a parameter, covered",
               request=connect(type="application/json; charset=utf-8"), names=FIVE),
        verify("empty body", request=grpc(body=b"")),
        verify("another label", label="*k.1-x_"),
        verify("foreign tag before ours, in one header", inputs=foreign + ", {}",
               signatures="proxy=:AAAA:, {}"),
        verify("foreign tag after ours, in a header of its own",
               change=lambda r: r["headers"].extend(
                   [["signature-input", foreign], ["signature", "proxy=:AAAA:"]])),
        verify("foreign member without a tag, not in canonical form", inputs="{}, p=( \"a\"  \"b\" )"),
        verify("foreign member without its signature", inputs="{}, " + foreign),
        verify("lifetime of 300 seconds", expires=CREATED + 300),
        verify("lifetime of 1 second", expires=CREATED + 1),
        verify("nonce of 64 characters", nonce='"' + "aZ9_-" * 12 + 'AAAA"'),
        verify("access key of 128 characters", key=LONGEST),
        verify("created 30 seconds ahead", now=CREATED - 30),
        verify("expired 30 seconds ago", now=CREATED + 90),
        verify("components in another order", names=FOUR[::-1]),
        verify("parameters in another order", params=params_of(FOUR, drop="created") + ";created=1700000000"),
        verify("covered headers besides, one of them doubled", request=grpc(headers=extra),
               names=["x-trace", *FOUR, "x-tenant"]),
        verify("16 components", request=grpc(headers=many), names=sixteen),
        verify("signature-input of 2048 bytes", inputs='{}, proxy=("' + "x" * pad + '")'),
        verify("port 443 stripped", request=grpc(authority=f"{HOST}:443"),
               change=part("authority", HOST)),
        verify("port 80 stripped", request=grpc(authority=f"{HOST}:80")),
        verify("another port kept", request=grpc(authority=f"{HOST}:8443")),
        verify("upper-case authority", request=grpc(authority="API.Example.COM")),
        verify("IPv6 authority", request=grpc(authority="[2001:db8::7]:50051")),
        verify("query covered", request=grpc(target=f"{PATH}?a=%2F&b=c"), names=[*FOUR, "@query"]),
        verify("empty query uncovered", request=grpc(target=f"{PATH}?")),
        verify("path with escapes, undecoded", request=grpc(target="/a%2Fb/%C3%BC")),
        verify("content-encoding covered", request=gzip, names=[*FIVE, "content-encoding"]),
        verify("encodings of identity, uncovered", request=grpc(headers=[
            ["grpc-encoding", "identity"], ["content-encoding", "identity"],
            ["connect-content-encoding", "identity"]])),
    ]


def missing_vectors():
    def none(*names):
        def change(request):
            request["headers"] = [h for h in request["headers"] if h[0] not in names]
        return change

    reason = "SIGNATURE_MISSING"
    return [
        verify("no header at all", reason, change=none("signature-input", "signature", "content-digest")),
        verify("content-digest alone", reason, change=none("signature-input", "signature")),
        verify("foreign tag alone", reason, tag='"other"'),
        verify("our tag in upper case", reason, tag='"PDAAS-V1"'),
        verify("our tag as a token", reason, tag="pdaas-v1"),
        verify("no tag", reason, drop="tag"),
    ]


def malformed_vectors():
    def bad(name, *args, **over):
        return verify(name, "SIGNATURE_MALFORMED", *args, **over)

    params = params_of(FOUR)
    sixteen = [*FOUR, *(f"x-{i}" for i in range(13))]
    many = [[f"x-{i}", str(i)] for i in range(13)]
    pad = 2_049 - len(f'sig={params}, proxy=("")')
    good = digest(envelope(PROTO))
    sha512 = f"sha-512=:{b64(hashlib.sha512(envelope(PROTO)).digest())}:"
    required = [bad(f"no {name}", drop=name)
                for name in ("created", "expires", "nonce", "keyid", "alg")]
    doubled = [bad(f"{name} twice", params=f"{params};{name}={value}") for name, value in (
        ("created", CREATED), ("nonce", f'"{NONCE}"'), ("alg", '"hmac-sha256"'), ("tag", '"pdaas-v1"'))]
    parameters = [bad(f"{what}", **over) for what, over in {
        "unknown parameter": {"v": "1"},
        "unknown parameter without a value": {"params": f"{params};x"},
        "another alg": {"alg": '"hmac-sha512"'},
        "alg in upper case": {"alg": '"HMAC-SHA256"'},
        "alg as a token": {"alg": "hmac-sha256"},
        "created as a string": {"created": f'"{CREATED}"'},
        "created as a decimal": {"created": f"{CREATED}.0"},
        "created as a date": {"created": f"@{CREATED}"},
        "created of 16 digits": {"created": "1700000000000000", "expires": "1700000000000060"},
        "expires equal to created": {"expires": CREATED},
        "expires before created": {"expires": CREATED - 1},
        "lifetime of 301 seconds": {"expires": CREATED + 301},
        "nonce of 21 characters": {"nonce": f'"{NONCE[:21]}"'},
        "nonce of 65 characters": {"nonce": '"' + "a" * 65 + '"'},
        "nonce with a plus sign": {"nonce": f'"{NONCE[:21]}+"'},
        "nonce with padding": {"nonce": f'"{NONCE}=="'},
        "nonce as bytes": {"nonce": f":{NONCE}==:"},
        "empty keyid": {"keyid": '""'},
        "keyid of 129 characters": {"keyid": '"' + "x" * 129 + '"'},
        "keyid with a hyphen": {"keyid": '"sa-myorg"'},
        "keyid with an escape": {"keyid": '"sa_\\"x"'},
        "created with a leading zero": {"created": f"0{CREATED}"},
    }.items()]
    components = [
        bad("17 components", request=grpc(headers=many), names=sixteen),
        bad("component twice", names=[*FOUR, "@path"]),
        bad("component with parameter req", names=['"@method";req', *FOUR[1:]]),
        bad("component with parameter sf", names=[*FOUR[:3], '"content-digest";sf']),
        bad("component with parameter bs", names=[*FOUR, '"content-type";bs']),
        bad("component twice, once with a parameter", names=[*FOUR, '"@method";req']),
        bad("component as a token", params=params.replace('"@path"', "path")),
        bad("no list of components", params=params[params.index(")") + 2 :]),
        bad("components set apart by two spaces", params=params.replace('" "', '"  "', 1)),
        bad("components not set apart", params=params.replace('" "', '""', 1)),
        bad("components set apart by a tab", params=params.replace('" "', '"\t"', 1)),
        bad("space after the opening parenthesis", params=params.replace("(", "( ", 1)),
        bad("space before the closing parenthesis", params=params.replace(")", " )", 1)),
        bad("space before a parameter", params=params.replace(";nonce", "; nonce")),
    ]
    grammar = [
        bad("signature-input of 2049 bytes", inputs='{}, proxy=("' + "x" * pad + '")'),
        bad("signature of over 2048 bytes", signatures="{}, proxy=:" + "A" * 2_048 + ":"),
        bad("signature-input with a label and no value", change=header("signature-input", "sig=")),
        bad("signature-input without signature", change=header("signature", None)),
        bad("signature-input that ends with a comma", inputs="{},"),
        bad("signature-input with an open string", change=edit("signature-input", '"pdaas-v1"', '"pdaas-v1')),
        bad("signature-input with an open list", change=edit("signature-input", ")", "")),
        bad("signature-input with an upper-case label", label="SIG"),
        bad("signature-input with a non-ASCII nonce", nonce=f'"{NONCE}\u00fc"'),
        bad("signature-input doubled", change=again("signature-input")),
        bad("signature doubled", change=again("signature")),
        bad("content-digest doubled", change=again("content-digest")),
        bad("label twice in signature-input", inputs=f"{{}}, sig={params}"),
        bad("two members with our tag", inputs=f"{{}}, sig2={params}"),
        bad("signature under another label", signatures="x{}"),
        bad("signature with a parameter", signatures="{};a=1"),
        bad("signature as a string", change=header("signature", 'sig="AAAA"')),
        bad("signature without colons", change=edit("signature", "=:", "=")),
        bad("signature in base64url", change=header("signature", "sig=:" + "_-" * 21 + "A=:")),
        bad("signature without padding", change=header("signature", "sig=:" + "A" * 43 + ":")),
        bad("signature with stray bits", change=header("signature", "sig=:" + "A" * 42 + "B=:")),
        bad("empty signature", mac_bytes=lambda made: b""),
        bad("signature cut to 16 bytes", mac_bytes=lambda made: made[:16]),
        bad("signature cut to 31 bytes", mac_bytes=lambda made: made[:31]),
        bad("signature of 33 bytes", mac_bytes=lambda made: made + b"\0"),
    ]
    digests = [bad(f"content-digest {what}", request=grpc(digest=value)) for what, value in {
        "of 31 bytes": f"sha-256=:{b64(bytes(31))}:",
        "of 33 bytes": f"sha-256=:{b64(bytes(33))}:",
        "of sha-512 alone": sha512,
        "of sha-256 and sha-512": f"{good}, {sha512}",
        "of sha-256 twice": f"{good}, {good}",
        "with a parameter": f"{good};a=1",
        "as a string": 'sha-256="x"',
        "with an upper-case algorithm": good.upper(),
        "in hexadecimal": f"sha-256={hashlib.sha256(envelope(PROTO)).hexdigest()}",
        "of over 2048 bytes": good + " " * 2_000 + ", x=:" + "A" * 100 + ":",
        "empty": "",
    }.items()]
    return [*required, *doubled, *parameters, *components, *grammar, *digests]


def coverage_vectors():
    def bad(name, *args, **over):
        return verify(name, "SIGNATURE_COVERAGE", *args, **over)

    def without(name, names):
        return [other for other in names if other != name]

    uncovered = [bad(f"{name} uncovered", names=without(name, FOUR)) for name in FOUR]
    types = [bad(f"content type {kind!r} uncovered", request=connect(type=kind)) for kind in (
        "application/json", "APPLICATION/JSON", "application/proto", "application/connect+json",
        "application/connect+proto", "application/grpc+json", "application/grpc-web+json",
        "Application/GRPC+JSON", "application/grpc;charset=utf-8", "application/grpc; x=+proto",
        "application/grpc-web-text", "application/grpc+proto+json", "application/grpcx", "")]
    encodings = [bad(f"{name} of {value} uncovered", request=grpc(headers=[[name, value]]))
                 for name, value in (("grpc-encoding", "gzip"), ("content-encoding", "gzip"),
                                     ("connect-content-encoding", "br"), ("content-encoding", "identity, gzip"))]
    return [
        *uncovered, *types, *encodings,
        bad("no content type at all", request=connect(type=None)),
        bad("query uncovered", request=grpc(target=f"{PATH}?a=b")),
        bad("GET with its query uncovered", request=get(target=f"{PATH}?a=b"), names=GET[:3]),
        bad("GET with @path uncovered", request=get(), names=without("@path", GET)),
        bad("no components", names=[]),
        bad("covered header that is not there", names=[*FOUR, "x-tenant"]),
        bad("covered content-digest that is not there", request=grpc(digest=None)),
        bad("component named like a built-in property", names=[*FOUR, "constructor"]),
        bad("component @scheme", names=[*FOUR, "@scheme"]),
        bad("component in upper case", names=[*FOUR[:3], "Content-Digest"]),
    ]


def timely_vectors():
    early, late = "SIGNATURE_NOT_YET_VALID", "SIGNATURE_EXPIRED"
    return [
        verify("created 31 seconds ahead", early, now=CREATED - 31),
        verify("created a day ahead", early, now=CREATED - 86_400),
        verify("expired 31 seconds ago", late, now=CREATED + 91),
        verify("lifetime of 300 seconds expired", late, now=CREATED + 331, expires=CREATED + 300),
        verify("expired a year ago", late, now=CREATED + 31_536_000),
    ]


def invalid_vectors():
    def bad(name, *args, **over):
        return verify(name, "SIGNATURE_INVALID", *args, **over)

    def tenant():
        return grpc(headers=[["x-tenant", "t1"]])

    forged = {**MAIN, "secret_key": OTHER["secret_key"]}
    covered = [*FOUR, "x-tenant"]
    return [
        bad("wrong secret key", key=forged),
        bad("another key's access key", change=edit("signature-input", MAIN["access_key"], OTHER["access_key"])),
        bad("unknown access key", key=UNKNOWN),
        bad("another path", change=part("target", "/pdaas.v1.OrganizationService/UpdateOrganization")),
        bad("path with an escape decoded", request=grpc(target="/a%2Fb"), change=part("target", "/a/b")),
        bad("another authority", change=part("authority", "evil.example.com")),
        bad("another port", change=part("authority", f"{HOST}:8443")),
        bad("another method", change=part("method", "PUT")),
        bad("another query", request=grpc(target=f"{PATH}?a=b"), names=[*FOUR, "@query"],
            change=part("target", f"{PATH}?a=c")),
        bad("another content type, covered", request=connect(), names=FIVE,
            change=header("content-type", "application/proto")),
        bad("another covered header", request=tenant(), names=covered, change=header("x-tenant", "t2")),
        bad("covered header with a second value", request=tenant(), names=covered,
            change=again("x-tenant", "t2")),
        bad("covered header with a no-break space", request=tenant(), names=covered,
            change=header("x-tenant", "t1\u00a0")),
        bad("later expires", change=edit("signature-input", "expires=1700000060", "expires=1700000061")),
        bad("another nonce", change=edit("signature-input", NONCE, NONCE[::-1])),
        bad("another digest that fits another body", change=lambda r: (
            header("content-digest", digest(b"x"))(r), part("body_hex", b"x".hex())(r))),
        bad("components reordered", change=edit("signature-input", '"@method" "@authority"', '"@authority" "@method"')),
        bad("a bit of the signature changed", mac_bytes=lambda made: bytes([made[0] ^ 1]) + made[1:]),
        bad("signature of zeros", mac_bytes=lambda made: bytes(32)),
    ]


def other_vectors():
    other, ambiguous = "DIGEST_MISMATCH", "CREDENTIALS_AMBIGUOUS"
    malformed, coverage = "SIGNATURE_MALFORMED", "SIGNATURE_COVERAGE"

    def bearer(request):
        request["headers"].append(["authorization", "Bearer abc"])

    return [
        verify("another body", other, change=part("body_hex", envelope(b"\x0a\x03xyz").hex())),
        verify("a byte more", other, change=lambda r: r.update(body_hex=r["body_hex"] + "00")),
        verify("the message without its 5-byte prefix", other, change=part("body_hex", PROTO.hex())),
        verify("no body", other, change=part("body_hex", "")),
        verify("JSON spelt otherwise", other, request=connect(), names=FIVE,
               change=part("body_hex", b'{"name": "org"}'.hex())),
        verify("GET with a body", other, request=get(), names=GET, change=part("body_hex", "00")),
        verify("authorization beside a signature", ambiguous, change=bearer),
        verify("authorization covered by the signature", ambiguous,
               request=grpc(headers=[["authorization", "Bearer abc"]]), names=[*FOUR, "authorization"]),
        verify("malformed before uncovered", malformed, names=FOUR[1:], nonce='"short"'),
        verify("malformed digest before uncovered", malformed, request=connect(digest="sha-256=:AAAA:")),
        verify("uncovered before expired", coverage, names=FOUR[1:], now=CREATED + 999),
        verify("expired before invalid", "SIGNATURE_EXPIRED", now=CREATED + 999, key=UNKNOWN),
        verify("invalid before the digest", "SIGNATURE_INVALID", key=UNKNOWN, change=part("body_hex", "")),
    ]


# The signature base alone, with keys that are not ours


def base_vector(secret, request, names, params, signature):
    lines = signature_base(request, names, params)
    assert b64(mac(secret, lines)) == signature, "the known signature"
    return {"secret_key_base64": b64(secret), "request": request, "components": names,
            "signature_params": params, "signature_base": lines, "signature": signature}


def rfc9421_b_2_5():
    secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    headers = [["date", "Tue, 20 Apr 2021 02:07:55 GMT"], ["content-type", "application/json"]]
    request = {"method": "POST", "target": "/foo?param=Value&Pet=dog", "authority": "example.com",
               "headers": headers, "body_hex": b'{"hello": "world"}'.hex()}
    params = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    return base_vector(base64.b64decode(secret), request, ["date", "@authority", "content-type"], params,
                       "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=")


def acme():
    body = bytes.fromhex("00000000030a0178")
    assert digest(body) == "sha-256=:5/wc3JdUT07hJ/GZgAvZuyuKEyiApC1DOvSjHBCJ6Vs=:"
    request = {"method": "POST", "target": "/t.v1.T/Do", "authority": HOST,
               "headers": [["content-digest", digest(body)]], "body_hex": body.hex()}
    params = params_of(FOUR, nonce=f'"{"A" * 22}"', keyid='"sa-test"', tag='"acme-sa-v1"')
    return base_vector(bytes([7]) * 32, request, FOUR, params, "qv01pqQw5gkhcvJuB8P7I9t+JlEOQgFI/MQ2TRtQCIM=")


def document():
    groups = (valid_vectors, missing_vectors, malformed_vectors, coverage_vectors, timely_vectors,
              invalid_vectors, other_vectors)
    verify_all = [vector for group in groups for vector in group()]
    names = [vector["name"] for vector in verify_all]
    assert len(set(names)) == len(names), "names are unique"
    return {"rfc9421_b_2_5": rfc9421_b_2_5(), "acme": acme(), "keys": [MAIN, OTHER, LONGEST],
            "sign": sign_vectors(), "verify": verify_all}


def main():
    text = json.dumps(document(), indent=1) + "\n"
    if "--check" not in sys.argv[1:]:
        FILE.write_text(text)
    elif not FILE.exists() or FILE.read_text() != text:
        sys.exit(f"{FILE.name} is not what generate.py writes: run it again")


main()

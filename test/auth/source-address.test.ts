import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AddressRange, CidrError, type ParsedAddress, parseAddress } from "../../src/auth/cidr.ts";
import { type ForwardedHeader, TrustedProxies } from "../../src/auth/source-address.ts";

const trusted = ["10.0.0.0/8", "2001:db8:a::/48"];
const peer = "10.0.0.1";
const client = "203.0.113.7";

const headOf = (headers: Record<string, string>) => ({ header: (name: string) => headers[name] });

/** The source of a request that came from a trusted proxy with this header. */
function behind(name: ForwardedHeader, value: string): string {
  return new TrustedProxies(trusted, name).sourceAddress(peer, headOf({ [name]: value }));
}

describe("X-Forwarded-For", () => {
  test.each([
    ["one address", "203.0.113.7", "203.0.113.7"],
    ["with a port", "203.0.113.7:4711", "203.0.113.7"],
    ["IPv6", "2001:db8::7", "2001:db8::7"],
    ["IPv6 in brackets", "[2001:db8::7]", "2001:db8::7"],
    ["IPv6 in brackets, with a port", "[2001:db8::7]:4711", "2001:db8::7"],
    ["IPv6 that ends like a port", "2001:db8::7:4711", "2001:db8::7:4711"],
    ["IPv6 spelled out in upper case", "2001:0DB8:0:0:0:0:0:0007", "2001:db8::7"],
    ["an IPv4-mapped address", "::ffff:203.0.113.7", "203.0.113.7"],
    ["an IPv4-mapped address in brackets", "[::ffff:203.0.113.7]:80", "203.0.113.7"],
    ["spaces and tabs around it", " \t203.0.113.7\t ", "203.0.113.7"],
    ["one proxy after it", "203.0.113.7, 10.0.0.2", "203.0.113.7"],
    ["two proxies, one on IPv6", "203.0.113.7,[2001:db8:a::1]:80,10.0.0.2", "203.0.113.7"],
    ["a trusted proxy, mapped", "203.0.113.7, ::ffff:10.0.0.2", "203.0.113.7"],
    ["a proxy that is not ours", "203.0.113.7, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
    ["what the client claimed", "10.9.9.9, 203.0.113.7", "203.0.113.7"],
    ["garbage that the client claimed", 'unknown, "x, , 203.0.113.7', "203.0.113.7"],
    ["trusted addresses alone", "10.0.0.4, 10.0.0.3, 10.0.0.2", "10.0.0.4"],
    ["a single trusted address", "10.0.0.2", "10.0.0.2"],
  ])("%s: %j is from %s", (_, value, source) => {
    expect(behind("x-forwarded-for", value)).toBe(source);
  });

  test.each([
    ["nothing", ""],
    ["a space", " "],
    ["nothing after the last comma", "203.0.113.7,"],
    ["nothing between two commas", "203.0.113.7, , 10.0.0.2"],
    ["nothing before the first comma", ",10.0.0.2"],
    ["commas alone", ",,,"],
    ["unknown", "unknown"],
    ["a word behind a proxy", "203.0.113.7, unknown, 10.0.0.2"],
    ["a zone id", "fe80::1%eth0"],
    ["a zone id in brackets", "[fe80::1%eth0]:80"],
    ["octal parts", "0313.0.113.7"],
    ["hexadecimal parts", "0xcb.0.113.7"],
    ["a short form", "203.7"],
    ["a number", "3405803783"],
    ["a part above 255", "203.0.113.256"],
    ["a CIDR", "203.0.113.7/32"],
    ["IPv4 in brackets", "[203.0.113.7]"],
    ["an open bracket", "[2001:db8::7"],
    ["empty brackets", "[]:80"],
    ["an empty port", "203.0.113.7:"],
    ["a port that is no number", "203.0.113.7:http"],
    ["a port of six digits", "203.0.113.7:123456"],
    ["two addresses without a comma", "198.51.100.1 203.0.113.7"],
    ["quotes", '"203.0.113.7"'],
    ["a Forwarded element", "for=203.0.113.7"],
    ["a space that HTTP does not know", "\u00a0203.0.113.7"],
    ["a host name", "client.example.com"],
  ])("%s: %j is from nobody knows where", (_, value) => {
    expect(behind("x-forwarded-for", value)).toBe("");
  });
});

describe("Forwarded", () => {
  test.each([
    ["a token", "for=203.0.113.7", "203.0.113.7"],
    ["quoted", 'for="203.0.113.7"', "203.0.113.7"],
    ["with a port", 'for="203.0.113.7:4711"', "203.0.113.7"],
    ["IPv6", 'for="[2001:db8::7]"', "2001:db8::7"],
    ["IPv6 with a port", 'for="[2001:DB8::7]:4711"', "2001:db8::7"],
    ["an IPv4-mapped address", 'for="[::ffff:203.0.113.7]"', "203.0.113.7"],
    ["in upper case", "FOR=203.0.113.7", "203.0.113.7"],
    ["first of several parameters", "for=203.0.113.7;proto=https;by=10.0.0.1", "203.0.113.7"],
    ["last of several parameters", 'by=_p;host="a.example";For=203.0.113.7', "203.0.113.7"],
    ["spaces after semicolons", "proto=https; for=203.0.113.7 ; by=_x", "203.0.113.7"],
    ["empty parameters", ";for=203.0.113.7;;", "203.0.113.7"],
    ["escapes", String.raw`for="\2\03.0.113.7"`, "203.0.113.7"],
    ["a comma within quotes", 'host="a,for=10.9.9.9";for=203.0.113.7', "203.0.113.7"],
    ["a semicolon within quotes", 'for=203.0.113.7;host="a;for=10.9.9.9"', "203.0.113.7"],
    ["a quote within quotes", String.raw`for=203.0.113.7;host="a\",b"`, "203.0.113.7"],
    ["a backslash before the end", String.raw`for=203.0.113.7;host="a,\\"`, "203.0.113.7"],
    ["one proxy after it", 'for=203.0.113.7, for="10.0.0.2:80"', "203.0.113.7"],
    ["two proxies", 'for=203.0.113.7,for="[2001:db8:a::1]",for=10.0.0.2', "203.0.113.7"],
    ["a proxy that is not ours", "for=203.0.113.7, for=198.51.100.1, for=10.0.0.2", "198.51.100.1"],
    ["what the client claimed", "for=10.9.9.9, for=203.0.113.7", "203.0.113.7"],
    ["a quote that the client left open", 'for="10.9.9.9, for=203.0.113.7', "203.0.113.7"],
    [
      "a quote that the client opened for a proxy's",
      'for=10.9.9.9;host=", for="203.0.113.7:80", for=10.0.0.2',
      "203.0.113.7",
    ],
    ["a backslash that the client left", 'for="10.9.9.9\\, for="203.0.113.7"', "203.0.113.7"],
    ["garbage that the client claimed", ';;=", ,, for=203.0.113.7', "203.0.113.7"],
    ["trusted addresses alone", "for=10.0.0.3, for=10.0.0.2", "10.0.0.3"],
  ])("%s: %j is from %s", (_, value, source) => {
    expect(behind("forwarded", value)).toBe(source);
  });

  test.each([
    ["nothing", ""],
    ["an empty element", "for=203.0.113.7, , for=10.0.0.2"],
    ["nothing after the last comma", "for=203.0.113.7,"],
    ["no for", "proto=https;by=10.0.0.1"],
    ["two of for", "for=203.0.113.7;for=198.51.100.1"],
    ["two of for, in different case", "for=203.0.113.7;FOR=203.0.113.7"],
    ["an empty for", "for="],
    ["an empty quoted for", 'for=""'],
    ["unknown", "for=unknown"],
    ["a hidden name", "for=_hidden"],
    ["a hidden name, quoted", 'for="_SEVKISEK"'],
    ["a zone id", 'for="[fe80::1%eth0]"'],
    ["an octal part", "for=0313.0.113.7"],
    ["IPv6 without quotes", "for=[2001:db8::7]"],
    ["a port without quotes", "for=203.0.113.7:80"],
    ["spaces around the equals sign", "for = 203.0.113.7"],
    ["spaces within the quotes", 'for=" 203.0.113.7"'],
    ["text after the quotes", 'for="203.0.113.7"x'],
    ["text before the quotes", 'for=x"203.0.113.7"'],
    ["an open quote alone", 'for="203.0.113.7'],
    ["a quote that is not closed at the end", 'for=203.0.113.7;host="a'],
    ["an escaped end", String.raw`for="203.0.113.7\"`],
    ["a name without a value", "for=203.0.113.7;secure"],
    ["an element of the other header", "203.0.113.7"],
    ["two addresses without a comma", "for=203.0.113.7 for=198.51.100.1"],
  ])("%s: %j is from nobody knows where", (_, value) => {
    expect(behind("forwarded", value)).toBe("");
  });
});

test("a header of any length is read, and garbage in it is not made sense of", () => {
  const long = 300_000;
  const spaces = " ".repeat(long);
  const one = [",", ";", '"', "\\"].map((char) => char.repeat(long));
  const several = [`1${spaces}1 `, `for="${spaces}"`, `for="${'\\"'.repeat(long)}"`];
  for (const value of [...one, ...several, `for=${client}${spaces}x`]) {
    expect(behind("x-forwarded-for", value)).toBe("");
    expect(behind("forwarded", value)).toBe("");
  }
});

describe("whose word is taken", () => {
  const claims = { "x-forwarded-for": client, forwarded: `for=${client}`, "x-real-ip": client };

  test.each([
    ["no proxies: the peer", [], peer, claims, peer],
    ["a peer that is no proxy of ours: the peer", trusted, "192.0.2.1", claims, "192.0.2.1"],
    ["a peer that is not known: still not", trusted, "", claims, ""],
    ["a peer with a zone id: the peer", ["fe80::/10"], "fe80::1%eth0", claims, "fe80::1%eth0"],
    ["a proxy on IPv6: the header", trusted, "2001:db8:a::9", claims, client],
    ["a proxy on a dual-stack socket: the header", trusted, "::ffff:10.0.0.1", claims, client],
    ["a proxy without a header: the proxy", trusted, peer, {}, peer],
    ["the other header alone: the proxy", trusted, peer, { forwarded: `for=${client}` }, peer],
    ["all of IPv4 trusted: the leftmost", ["0.0.0.0/0"], peer, claims, client],
  ])("%s", (_, cidrs, from, headers, source) => {
    const proxies = new TrustedProxies(cidrs, "x-forwarded-for");
    expect(proxies.sourceAddress(from, headOf(headers))).toBe(source);
  });

  test("only the configured header is asked for, and none without proxies", () => {
    const asked: string[] = [];
    const head = { header: (name: string) => void asked.push(name) };
    for (const header of ["x-forwarded-for", "forwarded"] as const) {
      new TrustedProxies([], header).sourceAddress(peer, head);
      new TrustedProxies(trusted, header).sourceAddress(client, head);
      new TrustedProxies(new Set(trusted), header).sourceAddress(peer, head);
    }
    expect(asked).toEqual(["x-forwarded-for", "forwarded"]);
  });

  test("proxies are canonical CIDRs", () => {
    expect(() => new TrustedProxies(["10.0.0.1/8"], "forwarded")).toThrow(CidrError);
  });
});

/** What a client may put into a header: anything, and what looks like a chain. */
const pieces = fc.constantFrom(
  ...['"', "\\", ",", ", ", ";", "=", "for=", 'for="', "10.0.0.9", "[2001:db8:a::9]", "unknown"],
  ...["198.51.100.9", ":80", "_x", " ", "\t", '"10.0.0.9"', "host=", "%", "é"],
);
const claim = fc.oneof(
  fc.array(pieces, { maxLength: 20 }).map((parts) => parts.join("")),
  fc.string({ maxLength: 40 }),
);
const ranges = trusted.map((cidr) => new AddressRange(cidr));
const outsider = fc
  .oneof(fc.ipV4(), fc.ipV6())
  .filter((text) => !ranges.some((range) => range.contains(parseAddress(text) as ParsedAddress)));
const ours = fc.constantFrom("10.0.0.2", "10.255.0.1", "2001:db8:a::1", "::ffff:10.0.0.3");
const chain = fc.tuple(outsider, fc.array(ours, { maxLength: 4 }));

/** An element as a proxy writes it. */
function forwardedElement(address: string): string {
  const node = address.includes(":") ? `"[${address}]:4711"` : address;
  return String.raw`by=_p;for=${node};host="a\",\\"`;
}

describe("whatever a client sends", () => {
  test("no header changes anything when the peer is not trusted", () => {
    const names = ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "via"];
    const values = fc.array(claim, { minLength: 1, maxLength: 4 }).map((all) => all.join(", "));
    const headers = fc.dictionary(fc.constantFrom(...names), values);
    fc.assert(
      fc.property(outsider, headers, fc.boolean(), (from, sent, isForwarded) => {
        const header = isForwarded ? "forwarded" : "x-forwarded-for";
        const proxies = new TrustedProxies(trusted, header);
        expect(proxies.sourceAddress(from, headOf(sent))).toBe(from);
        expect(new TrustedProxies([], header).sourceAddress(peer, headOf(sent))).toBe(peer);
      }),
    );
  });

  test("nothing on the left of a chain changes where it is from", () => {
    fc.assert(
      fc.property(claim, chain, (left, [source, proxies]) => {
        const expected = parseAddress(source)?.toString();
        const plain = [source, ...proxies];
        const elements = plain.map(forwardedElement);
        expect(behind("x-forwarded-for", plain.join(", "))).toBe(expected);
        expect(behind("x-forwarded-for", [left, ...plain].join(","))).toBe(expected);
        expect(behind("forwarded", elements.join(", "))).toBe(expected);
        expect(behind("forwarded", [left, ...elements].join(","))).toBe(expected);
      }),
      { numRuns: 1_000 },
    );
  });

  test("the source is an address in canonical form, or empty", () => {
    fc.assert(
      fc.property(claim, fc.boolean(), (value, isForwarded) => {
        const source = behind(isForwarded ? "forwarded" : "x-forwarded-for", value);
        expect(parseAddress(source)?.toString() ?? "").toBe(source);
      }),
      { numRuns: 1_000 },
    );
  });
});

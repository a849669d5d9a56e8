import { BlockList, isIPv4, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  AddressRange,
  CidrError,
  canonicalCidr,
  intersection,
  networkOf,
  type ParsedAddress,
  parseAddress,
} from "../../src/auth/cidr.ts";

/** The refusal of a text. */
function refusal(text: string): CidrError {
  try {
    canonicalCidr(text);
  } catch (error) {
    if (error instanceof CidrError) return error;
    throw error;
  }
  throw new Error(`not refused: ${JSON.stringify(text)}`);
}

const parse = (text: string) => parseAddress(text) as ParsedAddress;

describe("an address", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["255.255.255.255", "255.255.255.255"],
    ["2001:db8::1", "2001:db8::1"],
    ["2001:0DB8:0000::0001", "2001:db8::1"],
    ["::", "::"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:2:0:0:3", "1::2:2:0:0:3"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:201", "192.0.2.1"],
    ["::192.0.2.1", "::c000:201"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ])("%s is %s", (text, canonical) => {
    expect(parse(text).toString()).toBe(canonical);
  });

  test.each([
    ["empty", ""],
    ["with an octal part", "010.0.0.1"],
    ["with a hexadecimal part", "0x7f.0.0.1"],
    ["of two parts", "127.1"],
    ["of three parts", "10.0.1"],
    ["as one number", "2130706433"],
    ["as one hexadecimal number", "0x7f000001"],
    ["with a part above 255", "256.0.0.1"],
    ["with a space", " 10.0.0.1"],
    ["with a newline", "10.0.0.1\n"],
    ["with a port", "10.0.0.1:80"],
    ["with a prefix length", "10.0.0.1/32"],
    ["in brackets", "[::1]"],
    ["with a zone id", "fe80::1%eth0"],
    ["with an empty zone id", "fe80::1%"],
    ["mapped, with an octal part", "::ffff:010.0.0.1"],
    ["with two ::", "1::2::3"],
    ["with nine parts", "1:2:3:4:5:6:7:8:9"],
    ["in digits that are not ASCII", "١٠.0.0.1"],
    ["a name", "localhost"],
    ["huge", "1".repeat(100_000)],
  ])("%s: is none", (_, text) => {
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe("a CIDR", () => {
  test.each([
    "10.0.0.0/8",
    "192.0.2.1/32",
    "0.0.0.0/0",
    "128.0.0.0/1",
    "2001:db8::/32",
    "2001:db8::1/128",
    "::/0",
    "8000::/1",
    "fe80::/64",
  ])("%s is canonical", (text) => {
    expect(canonicalCidr(text)).toBe(text);
  });

  test.each([
    ["10.1.2.3/8", "10.0.0.0/8", "has bits set after its prefix"],
    ["2001:db8::1/64", "2001:db8::/64", "has bits set after its prefix"],
    ["10.0.0.1", "10.0.0.1/32", "without a prefix length"],
    ["2001:db8::1", "2001:db8::1/128", "without a prefix length"],
    ["::ffff:10.0.0.1", "10.0.0.1/32", "without a prefix length"],
    ["08.0.0.0/8", "8.0.0.0/8", "leading zeros"],
    ["10.01.0.0/16", "10.1.0.0/16", "leading zeros"],
    ["0x0a.0.0.0/8", "10.0.0.0/8", "hexadecimal"],
    ["0xC0.0xA8.1.2/24", "192.168.1.0/24", "hexadecimal"],
    ["fe80::1%eth0/64", "fe80::/64", "zone id"],
    ["fe80::1%eth0", "fe80::1/128", "zone id"],
    ["fe80::/64%eth0", "fe80::/64", "zone id"],
    ["2001:DB8::/32", "2001:db8::/32", "not in canonical form"],
    ["2001:0db8:0:0::/32", "2001:db8::/32", "not in canonical form"],
    ["::192.0.2.1/128", "::c000:201/128", "not in canonical form"],
    ["::ffff:10.0.0.0/104", "10.0.0.0/8", "in the form of IPv6"],
    ["::ffff:a01:203/104", "10.0.0.0/8", "in the form of IPv6"],
    ["::ffff:0:0/96", "0.0.0.0/0", "in the form of IPv6"],
    ["10.0.0.0/08", "10.0.0.0/8", "sign or leading zeros"],
    ["10.0.0.0/+8", "10.0.0.0/8", "sign or leading zeros"],
    ["10.0.0.0/ 8", "10.0.0.0/8", "spaces"],
    [" 10.0.0.0/8\n", "10.0.0.0/8", "spaces"],
    ["10.0.0.0/255.0.0.0", "10.0.0.0/8", "netmask"],
    ["10.1.2.3/255.255.255.255", "10.1.2.3/32", "netmask"],
    ["2001:db8::/ffff:ffff::", "2001:db8::/32", "netmask"],
    [" 0x0A.1.2.3 / 255.0.0.0", "10.0.0.0/8", "spaces"],
  ])("%j is refused, and %s offered", (text, canonical, reason) => {
    const { message, canonical: offered } = refusal(text);
    expect(offered).toBe(canonical);
    expect(message).toContain(reason);
    expect(message.endsWith(`Write ${canonical}.`)).toBe(true);
  });

  test.each([
    ["", "is empty"],
    [" \t", "is empty"],
    ["10.0.0.0/33", "above 32"],
    ["2001:db8::/129", "above 128"],
    ["10.0.0.0/33 ", "above 32"],
    ["10.0.0.0/-8", "not a whole number"],
    ["10.0.0.0/8.0", "not a whole number"],
    ["10.0.0.0/1e1", "not a whole number"],
    ["10.0.0.0/0x8", "not a whole number"],
    ["10.0.0.0/", "no prefix length"],
    ["10.0.0.0/8/8", "more than one prefix length"],
    ["10.0.0.0/255.0.255.0", "where a prefix length belongs"],
    ["10.0.0.1/0.0.0.0", "where a prefix length belongs"],
    ["10.0.0.0/ffff::", "where a prefix length belongs"],
    ["::ffff:10.0.0.0/95", "below 96"],
    ["10/8", "fewer than four parts"],
    ["127.1/32", "fewer than four parts"],
    ["0x7f000001/32", "fewer than four parts"],
    ["256.0.0.0/8", "does not begin with an IP address"],
    ["10.0.0.0.0/8", "does not begin with an IP address"],
    ["/8", "does not begin with an IP address"],
    ["example.com/24", "does not begin with an IP address"],
    ["10.0.0.0-10.0.0.255", "does not begin with an IP address"],
    ["[2001:db8::]/32", "does not begin with an IP address"],
    ["::ffff:010.0.0.0/104", "does not begin with an IP address"],
    ["١٠.0.0.0/8", "U+0661"],
    ["10.0.0.0/８", "U+FF18"],
    ["10.0.0.0\0/8", "U+0000"],
    ["1".repeat(65), "at most 64 characters"],
    [`10.0.0.0/8${" ".repeat(1_000_000)}`, "at most 64 characters"],
  ])("%.40j is refused, and nothing offered", (text, reason) => {
    const { message, canonical } = refusal(text);
    expect(canonical).toBeUndefined();
    expect(message).toContain(reason);
    expect(message).toContain("Write a network such as 10.0.0.0/8");
    expect(message.length).toBeLessThan(300);
  });

  test.each([
    ["010.0.0.0/8", "10.0.0.0/8", "8.0.0.0/8"],
    ["010.1.2.3/8", "10.0.0.0/8", "8.0.0.0/8"],
    ["0177.0.0.1", "177.0.0.1/32", "127.0.0.1/32"],
    ["0x0a.010.0.0/16", "10.10.0.0/16", "10.8.0.0/16"],
  ])("%s may be %s or %s: refused with both, and neither offered", (text, decimal, octal) => {
    const { message, canonical } = refusal(text);
    expect(canonical).toBeUndefined();
    expect(message).toContain(`is ${decimal} to some programs and ${octal} to others`);
  });
});

test.each([
  ["192.0.2.1", "192.0.2.1/32"],
  ["::ffff:192.0.2.1", "192.0.2.1/32"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["::1", "::/64"],
])("what is suggested for %s is %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test.each(["", "unknown", "fe80::1%eth0", "010.0.0.1"])("nothing is suggested for %j", (text) => {
  expect(() => networkOf(text)).toThrow(CidrError);
});

test("a range is made of a canonical CIDR only", () => {
  expect(() => new AddressRange("010.0.0.0/8")).toThrow(CidrError);
  expect(() => new AddressRange("10.0.0.1/8")).toThrow("Write 10.0.0.0/8.");
});

test.each([
  ["10.0.0.0/8", "10.255.255.255", true],
  ["10.0.0.0/8", "11.0.0.0", false],
  ["10.0.0.0/8", "::ffff:10.0.0.1", true],
  ["10.0.0.0/8", "::10.0.0.1", false],
  ["0.0.0.0/0", "::1", false],
  ["::/0", "10.0.0.1", false],
  ["::/0", "::ffff:10.0.0.1", false],
  ["2001:db8::/33", "2001:db8:7fff::1", true],
  ["2001:db8::/33", "2001:db8:8000::", false],
])("%s and %s: %s", (cidr, address, contained) => {
  expect(new AddressRange(cidr).contains(parse(address))).toBe(contained);
});

test.each([
  [[], [], []],
  [["10.0.0.0/8"], [], []],
  [["10.0.0.0/8"], ["10.0.0.0/8"], ["10.0.0.0/8"]],
  [["10.0.0.0/8"], ["10.1.0.0/16", "192.0.2.0/24"], ["10.1.0.0/16"]],
  [["10.1.0.0/16"], ["10.0.0.0/8", "0.0.0.0/0"], ["10.1.0.0/16"]],
  [["10.0.0.0/8", "10.1.0.0/16"], ["0.0.0.0/0", "10.0.0.0/9"], ["10.0.0.0/8"]],
  [["::/0"], ["0.0.0.0/0"], []],
  [
    ["::/0", "10.0.0.0/8"],
    ["10.1.0.0/16", "2001:db8::/32"],
    ["10.1.0.0/16", "2001:db8::/32"],
  ],
])("%j and %j have %j in common", (a, b, common) => {
  expect(intersection(a, b).sort()).toEqual(common);
});

/** Addresses that are near each other, so that ranges of them overlap. */
const groups = fc.constantFrom("0", "1", "7fff", "8000", "ffff");
const ipv6 = fc
  .array(groups, { minLength: 8, maxLength: 8 })
  .map((parts) => parts.join(":"))
  .filter((text) => !text.startsWith("0:0:0:0:0:ffff:"));
const octets = fc.constantFrom("0", "1", "10", "127", "128", "255");
const ipv4 = fc.array(octets, { minLength: 4, maxLength: 4 }).map((parts) => parts.join("."));
const address = fc.oneof(ipv4, ipv6, fc.ipV4(), fc.ipV6());

const cidr = address
  .chain((text) => fc.tuple(fc.constant(text), fc.nat(isIPv4(text) ? 32 : 128)))
  .filter(([text, length]) => isIPv4(text) || !text.includes(".") || length >= 96)
  .map(([text, length]) => offered(`${text}/${length}`))
  .filter((text) => text !== undefined);

function offered(text: string): string | undefined {
  try {
    return canonicalCidr(text);
  } catch (error) {
    return (error as CidrError).canonical;
  }
}

test("what is offered is accepted, and is what it was offered for", () => {
  const part = fc.constantFrom("0", "1", "010", "08", "0x0a", "255", "ffff", "::", ":", ".", "/");
  const more = fc.constantFrom(
    "8",
    "33",
    "104",
    "+",
    "-",
    " ",
    "%",
    "eth0",
    "255.0.0.0",
    "é",
    "\n",
  );
  const soup = fc.array(fc.oneof(part, more), { maxLength: 12 }).map((parts) => parts.join(""));
  const spelled = fc.tuple(address, fc.nat(130)).map(([text, length]) => `${text}/${length}`);
  fc.assert(
    fc.property(fc.oneof(soup, spelled, address, fc.string({ unit: "binary" })), (text) => {
      const canonical = offered(text);
      if (canonical === undefined) return;
      expect(canonicalCidr(canonical)).toBe(canonical);
      expect(new AddressRange(canonical).cidr).toBe(canonical);
    }),
    { numRuns: 1_000 },
  );
});

test("an address means what it means to the operating system", () => {
  fc.assert(
    fc.property(address, (text) => {
      const family = isIPv4(text) ? "ipv4" : "ipv6";
      const { address: known } = new SocketAddress({ address: text, family });
      const plain = known.replace(/^::ffff:(?=\d+\.)/, "");
      expect(parse(text).toString()).toBe(parse(plain).toString());
      if (!plain.includes(":") || !plain.includes(".")) {
        expect(parse(text).toString()).toBe(plain);
      }
    }),
    { numRuns: 1_000 },
  );
});

test("a range contains what node:net says", () => {
  fc.assert(
    fc.property(cidr, address, (range, text) => {
      const [network = "", length] = range.split("/");
      const family = isIPv4(network) ? "ipv4" : "ipv6";
      const block = new BlockList();
      block.addSubnet(network, Number(length), family);
      const plain = parse(text);
      // To Node, an IPv6 network that contains the mapped addresses contains all of IPv4.
      const expected = plain.kind() === family && block.check(plain.toString(), family);
      expect(new AddressRange(range).contains(plain)).toBe(expected);
    }),
    { numRuns: 1_000 },
  );
});

test("what two lists have in common contains an address if, and only if, both do", () => {
  const list = fc.array(cidr, { maxLength: 6 });
  const contains = (cidrs: string[], text: string) =>
    cidrs.some((range) => new AddressRange(range).contains(parse(text)));
  fc.assert(
    fc.property(list, list, fc.array(address), (a, b, others) => {
      const common = intersection(a, b);
      const edges = [...a, ...b].map((range) => range.split("/")[0] as string);
      for (const text of [...edges, ...others]) {
        expect(contains(common, text)).toBe(contains(a, text) && contains(b, text));
      }
      const ranges = common.map((range) => new AddressRange(range));
      for (const one of ranges) {
        expect(ranges.filter((other) => other.covers(one))).toEqual([one]);
      }
    }),
    { numRuns: 300 },
  );
});

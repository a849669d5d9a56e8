import { expect, test } from "vitest";
import { isLoopback, isPublicAddress } from "../../src/auth/outbound-address.ts";

test.each(["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "2a00:1450:4001::1"])(
  "%s is of the public internet",
  (address) => {
    expect(isPublicAddress(address)).toBe(true);
  },
);

test.each([
  ["this machine", "127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "::", "::ffff:127.0.0.1"],
  ["a network around it", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1"],
  ["a link", "169.254.1.1", "fe80::1", "fe80::1%eth0"],
  ["metadata", "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16"],
  ["a provider's own network", "100.64.0.1", "192.0.0.192", "198.18.0.1"],
  [
    "nobody",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "2001:db8::1",
    "255.255.255.255",
  ],
  ["many", "224.0.0.1", "ff02::1"],
  [
    "IPv4 in another form",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "::a00:1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
  ],
  ["a translator", "64:ff9b:1::1", "2001::1"],
  ["no address", "", "example.com", "0x7f000001", "2130706433", "127.1", "010.0.0.1"],
])("what is of %s is not", (_, ...addresses) => {
  expect(addresses.filter(isPublicAddress)).toEqual([]);
});

test("loopback is known in every form", () => {
  expect(["127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"].filter(isLoopback)).toHaveLength(
    4,
  );
  expect(["128.0.0.1", "0.0.0.0", "localhost", ""].filter(isLoopback)).toEqual([]);
});

import { expect, test } from "vitest";
import { rangeOf, wrappedIpv4 } from "./address-ranges.ts";

test.each([
  ["8.8.8.8", "public"],
  ["172.32.0.1", "public"],
  ["2606:4700::1111", "public"],
  ["127.0.0.1", "loopback"],
  ["127.255.255.254", "loopback"],
  ["0.0.0.0", "unspecified"],
  ["0.1.2.3", "unspecified"],
  ["10.0.0.1", "private"],
  ["172.31.255.255", "private"],
  ["192.168.1.1", "private"],
  ["100.64.0.1", "shared"],
  ["169.254.1.1", "link-local"],
  ["169.254.169.254", "metadata"],
  ["100.100.100.200", "metadata"],
  ["168.63.129.16", "metadata"],
  ["224.0.0.1", "multicast"],
  ["255.255.255.255", "reserved"],
  ["192.0.2.1", "documentation"],
  ["::", "unspecified"],
  ["::1", "loopback"],
  ["0:0:0:0:0:0:0:1", "loopback"],
  ["fe80::1%eth0", "link-local"],
  ["fd12::1", "private"],
  ["fd00:ec2::254", "metadata"],
  ["ff02::1", "multicast"],
  ["::ffff:127.0.0.1", "loopback"],
  ["::ffff:7f00:1", "loopback"],
  ["::ffff:0:10.0.0.1", "private"],
  ["::127.0.0.1", "loopback"],
  ["64:ff9b::10.0.0.1", "private"],
  ["64:ff9b::a9fe:a9fe", "metadata"],
  ["64:ff9b::808:808", "public"],
  ["64:ff9b:1::1", "reserved"],
  ["2002:7f00:1::", "loopback"],
  ["2002:c0a8:101::1", "private"],
  ["2001:0:53aa:64c:0:0:0:0", "reserved"],
  ["2606:4700::5efe:10.0.0.1", "private"],
  ["5f00::1", "reserved"],
  ["no address", "reserved"],
])("%s is %s", (address, range) => {
  expect(rangeOf(address)).toBe(range);
});

test("an address is unwrapped from its bytes, not from the way it is written", () => {
  expect(wrappedIpv4("::ffff:192.168.0.1")).toBe("192.168.0.1");
  expect(wrappedIpv4("0:0:0:0:0:ffff:c0a8:1")).toBe("192.168.0.1");
  expect(wrappedIpv4("2606:4700::1")).toBeNull();
});

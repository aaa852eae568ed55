import { expect, test } from "vitest";
import { canonicalJson, type Json } from "./canonical-json.ts";

test("the example of RFC 8785, 3.2.2 and 3.2.3, comes out byte for byte", () => {
  const example = JSON.parse(String.raw`{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`) as Json;
  expect(canonicalJson(example)).toBe(String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`);
});

test("keys are ordered by UTF-16 code units, as in RFC 8785, 3.2.3", () => {
  const keys = ["€", "\r", "\ufb33", "1", "😀", "\u0080", "ö"];
  // An integer key comes first in a JavaScript object whatever its place, so the text itself is looked at.
  const text = canonicalJson(Object.fromEntries(keys.map((key) => [key, 0])));
  const places = ["\\r", "1", "\u0080", "ö", "€", "😀", "\ufb33"].map((key) => text.indexOf(`"${key}"`));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places).not.toContain(-1);
});

test("numbers at the edges of RFC 8785, appendix B", () => {
  expect([0, -0, 5e-324, 1.7976931348623157e308, 9007199254740992, 1e21, 1e-7, 333333333.3333332].map((value) => canonicalJson(value))).toEqual([
    "0", "0", "5e-324", "1.7976931348623157e+308", "9007199254740992", "1e+21", "1e-7", "333333333.3333332",
  ]);
});

test("the order in which a value was built changes nothing", () => {
  expect(canonicalJson({ b: { d: 1, c: [2, { f: 1, e: 2 }] }, a: null })).toBe(canonicalJson({ a: null, b: { c: [2, { e: 2, f: 1 }], d: 1 } }));
});

test("what JSON cannot hold is refused instead of changed", () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, "\ud800", { "\ud800": 1 }]) expect(() => canonicalJson(value)).toThrow(RangeError);
});

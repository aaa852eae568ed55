import { describe, expect, test } from "vitest";
import { TruecastError } from "../../pipelines/errors.ts";
import { readAmf0 } from "./amf0.ts";
import { amf0 } from "./testing/rtmp-client.ts";

const LIMITS = { maxAmfDepth: 4, maxAmfValues: 20 };
const hex = (text: string) => Buffer.from(text, "hex");

describe("readAmf0", () => {
  test("reads the values of a connect command as ffmpeg sends it", () => {
    const values = readAmf0(amf0("connect", 1, { app: "live", tcUrl: "rtmp://h/live", fpad: false, capabilities: 15 }), LIMITS);
    expect(values).toEqual(["connect", 1, new Map<string, unknown>([["app", "live"], ["tcUrl", "rtmp://h/live"], ["fpad", false], ["capabilities", 15]])]);
  });

  test("reads ECMA arrays, strict arrays, dates, long strings, typed objects and the two kinds of nothing", () => {
    const bytes = hex("0800000001000161000000000000000000000009" + "0a000000020506" + "0b3ff00000000000000000" + "0c0000000178" + "100001430001620100000009" + "0d");
    expect(readAmf0(bytes, LIMITS)).toEqual([new Map([["a", 0]]), [null, undefined], 1, "x", new Map([["b", false]]), undefined]);
  });

  test("keeps a property named __proto__ as a plain name", () => {
    const [object] = readAmf0(hex("0300095f5f70726f746f5f5f0300016102000162000009000009"), LIMITS);
    expect(object).toBeInstanceOf(Map);
    expect((object as Map<string, unknown>).get("__proto__")).toEqual(new Map([["a", "b"]]));
    expect(({} as Record<string, unknown>)["a"]).toBeUndefined();
  });

  test.each([
    ["a number cut short", "003ff0"],
    ["a string cut short", "02000561"],
    ["an object without its end", "0300016105"],
    ["a strict array longer than its bytes", "0affffffff05"],
    ["a strict array longer than the cap", `0a00000040${"05".repeat(64)}`],
    ["nesting deeper than the cap", `${"03000161".repeat(6)}05${"000009".repeat(6)}`],
    ["a type that AMF0 does not have", "12"],
    ["an AMF3 switch", "110101"],
    ["a movie clip", "04"],
    ["an object end out of place", "09"],
  ])("refuses %s", (_what, bytes) => {
    expect(() => readAmf0(hex(bytes), LIMITS)).toThrow(TruecastError);
    expect(() => readAmf0(hex(bytes), LIMITS)).toThrow(expect.objectContaining({ code: "protocol-violation" }) as Error);
  });

  test("reads nothing from no bytes", () => {
    expect(readAmf0(Buffer.alloc(0), LIMITS)).toEqual([]);
  });
});

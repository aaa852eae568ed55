import { describe, expect, test } from "vitest";
import { createStreamKeys } from "./stream-keys.ts";

const table = [
  { name: "first", key: "first-secret" },
  { name: "second", key: "second-secret" },
];
const code = (value: string) => expect.objectContaining({ code: value }) as Error;

describe("createStreamKeys", () => {
  test("finds each stream by its own key", () => {
    const keys = createStreamKeys(table);
    expect(keys.streamOf("first-secret").name).toBe("first");
    expect(keys.streamOf("second-secret").name).toBe("second");
  });

  test.each(["", "short", "k".repeat(129), "first-secret ", "first/secret", "first-secret\n", "../../../etc"])("refuses %j as no key's form", (candidate) => {
    expect(() => createStreamKeys(table).streamOf(candidate)).toThrow(code("path-refused"));
  });

  test("refuses a well-formed key that no stream has, without repeating it", () => {
    for (const candidate of ["first-secreT", "first-secret-and-more", "first-se", "first"+"-secre"]) {
      expect(() => createStreamKeys(table).streamOf(candidate)).toThrow(code("key-unknown"));
      expect(() => createStreamKeys(table).streamOf(candidate)).not.toThrow(candidate);
    }
    expect(() => createStreamKeys([]).streamOf("first-secret")).toThrow(code("key-unknown"));
  });

  test("refuses a table with a weak key, a double key or a double name, naming streams and no key", () => {
    const tables = [[{ name: "weak", key: "1234567" }], [...table, { name: "third", key: "first-secret" }], [...table, { name: "first", key: "third-secret" }]];
    const messages = tables.map((streams) => {
      try {
        createStreamKeys(streams);
      } catch (error) {
        expect(error).toMatchObject({ code: "config-invalid" });
        return String(error);
      }
      return "taken";
    });
    expect(messages.map((message) => message.replace("TruecastError: ", ""))).toEqual([
      'The key of stream "weak" must have 8 to 128 of the characters A-Z a-z 0-9 _ -.',
      'Streams "first" and "third" have the same key.',
      'Stream "first" is configured twice.',
    ]);
  });

  test("tells whether a stream still has the key it was opened with", () => {
    const stream = createStreamKeys(table).streamOf("first-secret");
    expect(createStreamKeys(table).holds(stream)).toBe(true);
    expect(createStreamKeys([{ name: "first", key: "another-secret" }]).holds(stream)).toBe(false);
    expect(createStreamKeys([{ name: "renamed", key: "first-secret" }]).holds(stream)).toBe(false);
  });
});

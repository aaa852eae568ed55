/** The words for what can go wrong when a page publishes. */
import { describe, expect, it } from "vitest";
import { problemOfMedia, problemOfRefusal } from "./problem.ts";

describe("a camera or screen that does not open", () => {
  const names = ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "NotSupportedError"];

  it.each(["camera", "screen"] as const)("has words of its own for each cause: %s", (source) => {
    const titles = names.map((name) => problemOfMedia(new DOMException("technical words", name), source).title);
    expect(titles.join()).not.toContain("technical words");
    expect(new Set(titles).size).toBeGreaterThanOrEqual(names.length - 1);
  });

  it("passes on what the browser says of a cause that is not known", () => {
    expect(problemOfMedia(new DOMException("It is too hot.", "HeatError"), "camera").advice).toContain("It is too hot.");
  });
});

describe("a refusal of the WHIP endpoint", () => {
  const refused = (status: number, code: string, detail = "") => problemOfRefusal({ status, code, detail, stream: "studio" });

  it("says of every code that a publisher may meet what it means, and tries again only what may pass", () => {
    const codes = ["key-unknown", "publisher-exists", "codec-unsupported", "capacity-reached", "not-found", "offer-refused"];
    const problems = codes.map((code) => refused(422, code));
    expect(new Set(problems.map(({ title }) => title)).size).toBe(codes.length);
    expect(problems.filter(({ passing }) => passing).map(({ title }) => title)).toEqual(["Someone else is publishing to this stream.", "Truecast is full."]);
    expect(refused(401, "unauthorized").title).toBe(refused(401, "key-unknown").title);
  });

  it("tells a server in trouble, which may recover, from an answer that is not Truecast's", () => {
    expect(refused(502, "")).toMatchObject({ title: "Truecast cannot take the stream just now.", passing: true });
    expect(refused(404, "")).toMatchObject({ title: "Truecast refuses the stream.", passing: false });
  });
});

/** Clip manifests, good and bad. */
import { expect, test } from "vitest";
import { errorCodeOf } from "../errors.ts";
import { parseClipManifest, requireBothLabels } from "./clip-manifest.ts";

const HEADER = "file,label,type,group\n";

test("columns are found by name, further ones ignored, quotes, CRLF, byte order mark and blank lines accepted", () => {
  const text = '\uFEFFgroup,licence,file,label,type\r\nalice,MIT,a.mp4,real,"camera, ""lab"" \nsecond line"\r\n\r\nbob,MIT,b.mp4,fake,swap\r\n';
  expect(parseClipManifest(text, "m.csv")).toEqual([
    { file: "a.mp4", label: "real", type: 'camera, "lab" \nsecond line', group: "alice", line: 2 },
    { file: "b.mp4", label: "fake", type: "swap", group: "bob", line: 5 },
  ]);
});

test("the last line may end without a newline", () => {
  expect(parseClipManifest(`${HEADER}a.mp4,real,camera,alice`, "m.csv")).toHaveLength(1);
});

test.each([
  ["an empty file", "", "m.csv:1: the manifest is empty"],
  ["a header alone", HEADER, "m.csv:1: the manifest lists no clip"],
  ["a missing column", "file,label,type\na,real,x\n", "m.csv:1: column group is missing; the columns are file, label, type"],
  ["a column that is there twice", "file,label,type,group,label\na,real,x,g,real\n", "m.csv:1: column label is there twice"],
  ["an unknown label", `${HEADER}a,real,x,g\nb,genuine,x,g\n`, 'm.csv:3: column label is "genuine" but must be real or fake'],
  ["an empty group", `${HEADER}a,real,x,\n`, "m.csv:2: column group is empty"],
  ["an empty file name", `${HEADER}  ,real,x,g\n`, "m.csv:2: column file is empty"],
  ["a comma that is not quoted", `${HEADER}a,real,lab, studio,g\n`, "m.csv:2: 5 fields where the header has 4 columns; a field that holds a comma must be quoted"],
  ["too few fields", `${HEADER}a,real\n`, "m.csv:2: 2 fields where the header has 4 columns"],
  ["a file that is listed twice", `${HEADER}a,real,x,g\nb,fake,x,g\na,fake,x,g\n`, 'm.csv:4: column file: "a" is listed already in line 2'],
  ["a quote that is never closed", `${HEADER}a,real,"x,g\nb,fake,x,g\n`, "m.csv:2: column 3: the quote is never closed"],
  ["text after a closing quote", `${HEADER}a,real,"x"y,g\n`, "m.csv:2: column 3: text after the closing quote"],
])("%s is refused with line and column", (_, text, message) => {
  try {
    parseClipManifest(text, "m.csv");
  } catch (error) {
    expect(errorCodeOf(error)).toBe("manifest-invalid");
    expect((error as Error).message).toContain(message);
    return;
  }
  expect.unreachable("the manifest was accepted");
});

test("an evaluation needs clips of both labels", () => {
  const clips = parseClipManifest(`${HEADER}a,real,x,g\n`, "m.csv");
  expect(() => requireBothLabels(clips, "m.csv")).toThrow("m.csv: column label: no clip is fake");
});

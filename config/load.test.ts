import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError, loadConfig, overridableKeys } from "./load.ts";
import { renderDefaultYaml, renderJsonSchema, renderReference } from "./render.ts";

const folder = mkdtempSync(join(tmpdir(), "truecast-config-"));
let files = 0;

function yaml(text: string): string {
  const file = join(folder, `${files++}.yaml`);
  writeFileSync(file, text);
  return file;
}

function problemsOf(text: string, environment = {}): readonly string[] {
  try {
    loadConfig({ file: yaml(text), environment });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test("without a file every key has its default", () => {
  const { config, streams, token } = loadConfig({});
  expect(config.rtmp.port).toBe(1935);
  expect(config.http.host).toBe("127.0.0.1");
  expect(streams).toEqual([]);
  expect(token).toBeNull();
});

test("a certificate and its key go together, relative to the configuration file", () => {
  const file = yaml("rtmps: { port: 4430, certFile: tls/live.pem, keyFile: /etc/live.key }");
  expect(loadConfig({ file }).rtmps).toEqual({ port: 4430, certFile: join(folder, "tls/live.pem"), keyFile: "/etc/live.key" });
  expect(loadConfig({}).rtmps).toBeNull();
  expect(problemsOf("rtmps: { certFile: live.pem }")).toEqual(["`rtmps.keyFile` is missing: a certificate and its key go together"]);
});

test("the shipped default.yaml is the schema's defaults and nothing else", () => {
  const path = new URL("./default.yaml", import.meta.url);
  expect(readFileSync(path, "utf8")).toBe(renderDefaultYaml());
  expect(loadConfig({ file: path.pathname }).config).toEqual(loadConfig({}).config);
});

test("the JSON Schema and the reference page are those of the schema in force", () => {
  expect(readFileSync(new URL("./schema.json", import.meta.url), "utf8")).toBe(renderJsonSchema());
  expect(readFileSync(new URL("../docs/configuration.md", import.meta.url), "utf8")).toBe(renderReference(overridableKeys()));
});

test.each([
  ["an unknown key, with the nearest known one", "rtmp: { prot: 1 }", "unknown key `rtmp.prot` (did you mean `rtmp.port`?)"],
  ["a number out of range", "rtmp: { port: 99999 }", "`rtmp.port` is 99999 but must be <= 65535"],
  ["a wrong type", "http: { host: 7 }", "`http.host` is 7 but must be string"],
  ["a word that is not among the allowed ones", "inference: { provider: gpu }", '`inference.provider` is "gpu" but must be "auto" or "cpu" or "cuda" or "webgpu"'],
  ["a nullable number out of range", "alerts: { threshold: 2 }", "`alerts.threshold` is 2 but must be number from 0 to 1 or null"],
  ["a stream without a name", "streams: [{ key: abcdefgh }]", "`streams[0].name` is missing"],
  ["a stream name that could be a path", "streams: [{ name: ../x, key: abcdefgh }]", '`streams[0].name` is "../x" but must match pattern "^[a-z0-9][a-z0-9_-]{0,63}$"'],
  ["a stream without a key", "streams: [{ name: a }]", '`streams[0]` ("a") must have exactly one of key, keyFile, url and urlFile'],
  ["a receiver without an address", "receivers: [{ name: a, type: alertmanager }]", '`receivers[0]` ("a") must have exactly one of url and urlFile'],
  ["a receiver of an unknown type", "receivers: [{ name: a, type: fax, url: 'http://a' }]", '`receivers[0].type` is "fax" but must be "webhook" or "alertmanager" or "slack" or "email"'],
  ["a receiver whose address is no URL", "receivers: [{ name: a, type: webhook, url: 'ftp://user:pass@x', secret: s }]", '`receivers[0]` ("a") has an address that is no http or https URL'],
  ["e-mail without recipients", "receivers: [{ name: a, type: email, host: mail.example, from: truecast@desk.example }]", '`receivers[0]` ("a") must have to'],
  ["e-mail with two addresses in one", "receivers: [{ name: a, type: email, host: h, from: a@b.c, to: ['a@b.c, d@e.f'] }]", '`receivers[0].to[0]` is "a@b.c, d@e.f" but must match pattern "^[^\\s<>,;:"@]{1,64}@[^\\s<>,;:"@]{1,190}$"'],
  ["a password without a login", "receivers: [{ name: a, type: email, host: h, from: a@b.c, to: [a@b.c], password: p }]", '`receivers[0]` ("a") has a password but no username'],
  ["a key that the receiver's type does not take", "receivers: [{ name: a, type: alertmanager, url: 'http://a', kinds: [new] }]", '`receivers[0]` ("a") has kinds but receivers of type alertmanager take none'],
  ["a key file that is missing", "streams: [{ name: a, keyFile: none }]", '`streams[0].keyFile` is "none" but the file cannot be read (ENOENT)'],
])("%s is named with key, value and rule", (_, text, problem) => {
  expect(problemsOf(text)).toEqual([problem]);
});

test("every problem is told at once", () => {
  expect(problemsOf("rtmp: { port: -1 }\nnonsense: 1")).toHaveLength(2);
});

test("a stream key never appears in a message", () => {
  const problems = problemsOf("streams: [{ name: a, key: 'se cret' }]");
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("streams[0].key` is (hidden)");
  expect(problems.join()).not.toContain("se cret");
});

test("a stream is pushed or pulled, and a pulled one has no key", () => {
  writeFileSync(join(folder, "gate.url"), "rtsp://viewer:secret@camera.example/1\n");
  const loaded = loadConfig({ file: yaml("streams: [{ name: a, key: abcdefgh }, { name: gate, urlFile: gate.url }, { name: clip, url: 'file:///srv/a.mp4', loop: true }]") });
  expect(loaded.streams).toMatchObject([{ name: "a" }]);
  expect(loaded.sources).toMatchObject([{ name: "gate", url: "rtsp://viewer:secret@camera.example/1" }, { name: "clip", loop: true }]);
  expect(problemsOf("streams: [{ name: a, key: abcdefgh, url: 'srt://b:1' }]")).toEqual(['`streams[0]` ("a") must have exactly one of key, keyFile, url and urlFile']);
  expect(problemsOf("streams: [{ name: a, key: abcdefgh, loop: true }]")).toEqual(['`streams[0]` ("a") has format or loop but these are for streams with a url']);
});

test("a URL never appears in a message", () => {
  const problems = problemsOf(`streams: [{ name: a, url: 'rtsp://user:secret@${"x".repeat(2_100)}' }]`);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toContain("streams[0].url` is (hidden)");
});

test("two streams with one name or one key are refused without showing the key", () => {
  const problems = problemsOf("streams: [{ name: a, key: abcdefgh }, { name: a, key: abcdefgh }]");
  expect(problems).toEqual(['`streams[1].name` is "a" but names must be unique', '`streams[1]` ("a") has the same key as "a" but keys must be unique']);
});

test("a key is read from its file, relative to the configuration", () => {
  writeFileSync(join(folder, "a.key"), "abcdefgh12\n");
  expect(loadConfig({ file: yaml("streams: [{ name: a, keyFile: a.key }]") }).streams).toMatchObject([{ name: "a", key: "abcdefgh12" }]);
});

test("a receiver's secrets are read from a file, one a line, and never appear in a message", () => {
  writeFileSync(join(folder, "whsec"), "whsec_new\nwhsec_old\n\n");
  const { receivers } = loadConfig({ file: yaml("receivers: [{ name: desk, type: webhook, url: 'https://desk.example/hook', secretFile: whsec, rules: [manipulated-face] }]") });
  expect(receivers).toEqual([{ name: "desk", type: "webhook", url: new URL("https://desk.example/hook"), secrets: ["whsec_new", "whsec_old"], streams: null, rules: ["manipulated-face"], kinds: null }]);
  const problems = problemsOf(`receivers: [{ name: a, type: webhook, url: '', secret: ${"s3cret".repeat(40)} }]`);
  expect(problems).toHaveLength(2);
  expect(problems.join()).not.toContain("s3cret");
});

test("environment variables override the file", () => {
  const { config } = loadConfig({ file: yaml("rtmp: { port: 1 }"), environment: { TRUECAST_RTMP_PORT: "2", TRUECAST_HTTP_ALLOWED_HOSTS: "[a.example]", TRUECAST_DATA_DIR: "/tmp/x", PATH: "/" } });
  expect(config.rtmp.port).toBe(2);
  expect(config.http.allowedHosts).toEqual(["a.example"]);
  expect(config.dataDir).toBe("/tmp/x");
});

test("an environment variable that names no key is an error, not a silence", () => {
  expect(problemsOf("", { TRUECAST_RTMP_PROT: "2" })).toEqual(["environment variable TRUECAST_RTMP_PROT names no configuration key (did you mean `TRUECAST_RTMP_PORT`?)"]);
});

test("a missing file and a file that is not YAML are named", () => {
  expect(() => loadConfig({ file: join(folder, "absent.yaml") })).toThrow(/absent\.yaml: cannot be read \(ENOENT\)/);
  expect(problemsOf("a: [")[0]).toMatch(/at line 1/);
  expect(problemsOf("- 1")).toEqual(["the file must hold a mapping of keys"]);
});

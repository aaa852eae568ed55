/** `doctor`, `check-config` and `demo` as a person runs them. */
import { createServer, type AddressInfo } from "node:net";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { readManifest } from "../../models/manifest.ts";
import { copyEdgeUntrained } from "../../models/testing/untrained-copy.ts";
import { modelFolder } from "../inference-service.ts";
import { faceVideo, runCli, startCli } from "../testing/daemon-process.ts";
import { makeSelfSigned } from "../testing/self-signed.ts";

const folder = mkdtempSync(join(tmpdir(), "truecast-commands-"));
const freePorts = { TRUECAST_HTTP_PORT: "0", TRUECAST_RTMP_PORT: "0", TRUECAST_WHIP_PORT: "0", TRUECAST_WHIP_UDP_PORT: "0", TRUECAST_DATA_DIR: join(folder, "data") };

test("doctor finds a sound machine sound", { timeout: 60_000 }, async () => {
  const { code, stdout } = await runCli(["doctor"], freePorts);
  const lines = stdout.trim().split("\n");
  expect(lines.filter((line) => !line.startsWith("ok "))).toEqual([]);
  expect(lines.length).toBeGreaterThan(8);
  expect(stdout).toMatch(/provider auto +runs on (cpu|cuda)/);
  expect(code).toBe(0);
});

test("doctor names a taken port, a missing model and a missing ffmpeg, and what to do", { timeout: 60_000 }, async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const { code, stdout } = await runCli(["doctor"], { ...freePorts, TRUECAST_HTTP_PORT: String(port), TRUECAST_INFERENCE_MODEL: "absent", PATH: "/nowhere" });
  await new Promise((resolve) => server.close(resolve));
  expect(code).toBe(1);
  expect(stdout).toMatch(new RegExp(`FAIL +port ${port} \\(http\\) +127\\.0\\.0\\.1:${port} is taken by another process; stop it or set another port`));
  expect(stdout).toMatch(/FAIL +model absent/);
  expect(stdout).toMatch(/FAIL +ffmpeg +not found on PATH; on Debian or Ubuntu: sudo apt-get install -y ffmpeg/);
});

test("check-config accepts the shipped default and names what is wrong in another", async () => {
  const good = await runCli(["check-config", "--config", new URL("../../config/default.yaml", import.meta.url).pathname]);
  expect(good).toMatchObject({ code: 0, stderr: "" });
  expect(good.stdout).toContain("ok");
  const file = join(folder, "bad.yaml");
  writeFileSync(file, "rtmp: { prot: 1 }\nhttp: { port: -1 }\n");
  const bad = await runCli(["check-config", "--config", file]);
  expect(bad.code).toBe(1);
  expect(bad.stderr).toContain("unknown key `rtmp.prot` (did you mean `rtmp.port`?)");
  expect(bad.stderr).toContain("`http.port` is -1");
});

test("doctor and check-config look at the RTMPS certificate", { timeout: 60_000 }, async () => {
  const good = await makeSelfSigned({ folder, name: "good" });
  const expired = await makeSelfSigned({ folder, name: "expired", days: -1 });
  const checked = await runCli(["check-config"], { ...freePorts, TRUECAST_RTMPS_PORT: "0", TRUECAST_RTMPS_CERT_FILE: good.certFile, TRUECAST_RTMPS_KEY_FILE: good.keyFile });
  expect(checked.stdout).toMatch(/rtmps +127\.0\.0\.1:0, DNS:localhost, IP Address:127\.0\.0\.1, until 20/);
  const mixed = await runCli(["check-config"], { ...freePorts, TRUECAST_RTMPS_CERT_FILE: good.certFile, TRUECAST_RTMPS_KEY_FILE: expired.keyFile });
  expect(mixed).toMatchObject({ code: 1, stderr: expect.stringMatching(/rtmps\.keyFile.*expired\.key.*does not belong to the certificate in.*good\.pem.*\n?.*config-invalid/) as string });
  const { code, stdout } = await runCli(["doctor"], { ...freePorts, TRUECAST_RTMPS_PORT: "0", TRUECAST_RTMPS_CERT_FILE: expired.certFile, TRUECAST_RTMPS_KEY_FILE: expired.keyFile });
  expect(stdout).toMatch(/ok +port 0 \(rtmps\) +free/);
  expect(stdout).toMatch(/FAIL +rtmps certificate +.*expired\.pem expired on 20.*; renew it/);
  expect(stdout).toMatch(/ok +video decoders +H\.264, HEVC, AV1, VP9, VP8/);
  expect(code).toBe(1);
});

const edge = await readManifest(modelFolder("edge", null));

test("the demo's genuine stream stays quiet, its forged one raises an alert, a script only stands in while the model is untrained, and Ctrl-C ends it", { timeout: 300_000 }, async () => {
  const { child, exited } = startCli(["demo"], { TRUECAST_HTTP_PORT: "0", TRUECAST_RTMP_PORT: "0", TRUECAST_WHIP_PORT: "0", TRUECAST_WHIP_UDP_PORT: "0", XDG_CACHE_HOME: join(folder, "cache") });
  let told = "";
  const alerted = Promise.withResolvers<void>();
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    told += text;
    if (/ALERT firing: demo-forged/.test(told) && /demo-genuine: authentic, score 0\.\d\d/.test(told)) alerted.resolve();
  });
  void exited.then(() => alerted.reject(new Error(`the demo ended: ${told}`)));
  await alerted.promise;
  expect(told).toMatch(/demo-forged: manipulated, score [01]\.\d\d/);
  expect(told).not.toMatch(/demo-genuine: (suspicious|manipulated)/);
  expect(told).not.toMatch(/ALERT firing: demo-genuine/);
  expect(told.includes("The model edge is untrained. The scores of this demo come from a SCRIPT, not from a detector")).toBe(!edge.info.trained);
  expect(told.includes("(scripted)")).toBe(!edge.info.trained);
  child.kill("SIGINT");
  expect(await exited).toEqual([0, null]);
});

test("the demo never scores a user's video with the script, and says so where its model is untrained", { timeout: 60_000 }, async () => {
  const modelsDir = join(folder, "models");
  await copyEdgeUntrained(modelsDir);
  const { child, exited } = startCli(["demo", "--video", await faceVideo()], { TRUECAST_HTTP_PORT: "0", TRUECAST_RTMP_PORT: "0", TRUECAST_WHIP_PORT: "0", TRUECAST_WHIP_UDP_PORT: "0", TRUECAST_INFERENCE_MODELS_DIR: modelsDir });
  let told = "";
  const running = Promise.withResolvers<void>();
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    told += text;
    if (told.includes("Ctrl-C ends the demo")) running.resolve();
  });
  void exited.then(() => running.reject(new Error(`the demo ended: ${told}`)));
  await running.promise;
  expect(told).toContain("The model edge is untrained: its scores mean nothing, and no alert is raised.");
  expect(told).not.toContain("SCRIPT");
  child.kill("SIGINT");
  expect(await exited).toEqual([0, null]);
});

test("the demo ends at once when it is told to while it makes its videos", { timeout: 60_000 }, async () => {
  const cache = join(folder, "fresh-cache");
  const { child, exited } = startCli(["demo"], { ...freePorts, XDG_CACHE_HOME: cache });
  await vi.waitFor(() => expect(readdirSync(join(cache, "truecast/demo")).filter((name) => name.endsWith(".part"))).not.toHaveLength(0), { timeout: 30_000, interval: 10 });
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
  expect(readdirSync(join(cache, "truecast/demo"))).toEqual([]);
});

test("the demo names a video that is not there", async () => {
  const { code, stderr } = await runCli(["demo", "--video", join(folder, "absent.mp4")]);
  expect(code).toBe(1);
  expect(stderr).toContain("absent.mp4: no such file");
  expect(stderr).toContain("[input-not-found]");
});

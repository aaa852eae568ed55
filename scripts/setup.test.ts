/** The set-up on machines that lack something, with a PATH and a user of the test's own. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const setup = fileURLToPath(new URL("./setup.mjs", import.meta.url));
const NOBODY = 65_534;

/** Runs the set-up with a PATH that holds only these programs; scripts are given by their text. */
function runSetup(programs: Record<string, string>, user: "root" | "nobody") {
  const folder = mkdtempSync(join(tmpdir(), "truecast-setup-"));
  chmodSync(folder, 0o755);
  symlinkSync(process.execPath, join(folder, "node"));
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  const startedAt = performance.now();
  const outcome = spawnSync(process.execPath, [setup], { env: { PATH: folder }, encoding: "utf8", ...(user === "nobody" && { uid: NOBODY, gid: NOBODY }) });
  return { ...outcome, folder, seconds: (performance.now() - startedAt) / 1000 };
}

const isRoot = process.getuid?.() === 0;

test.runIf(isRoot)("without root a missing program is named with the exact command", () => {
  const { status, stderr } = runSetup({ "apt-get": "exit 0" }, "nobody");
  expect(status).toBe(1);
  expect(stderr).toContain("missing: ffmpeg");
  expect(stderr).toContain("sudo sh -c 'apt-get update && apt-get install -y --no-install-recommends ffmpeg'");
});

test.runIf(isRoot)("as root it is installed with apt", () => {
  const { stderr } = runSetup({ "apt-get": 'echo "apt-get $*" >&2' }, "root");
  expect(stderr).toContain("apt-get update -qq");
  expect(stderr).toContain("apt-get install -y -qq --no-install-recommends ffmpeg");
});

test("where there is no apt the packages are named", () => {
  const { status, stderr } = runSetup({}, "root");
  expect(status).toBe(1);
  expect(stderr).toContain("missing: ffmpeg; install them with this system's package manager");
});

test("with everything there it does nothing, in under a second", () => {
  const { status, stderr, seconds } = runSetup({ ffmpeg: "exit 0", ffprobe: "exit 0" }, "root");
  expect(status).toBe(0);
  expect(stderr).toBe("");
  expect(seconds).toBeLessThan(1);
});

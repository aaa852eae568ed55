#!/usr/bin/env node
/**
 * Makes a clean clone ready to run, and does nothing in under a second when it is: packages, the right Node, ffmpeg,
 * the built dashboard and, for tests, Chromium, promtool, Alertmanager and Python. Runs on Node 20 or later, before anything is installed.
 *
 *   node scripts/setup.mjs [--for run|test|training] [-- tool args…]   (a tool of node_modules, run under the right Node)
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const nodePath = join(root, "node_modules/.bin/node");
/** Written inside node_modules, so that deleting the folder also forgets the stamp. */
const packagesStamp = join(root, "node_modules/.truecast-packages");
const dashboardStamp = join(root, "dashboard/dist/.truecast-build");

/** What Debian calls the programs that each purpose needs beyond npm's packages. */
const PROGRAMS = {
  run: [
    { command: "ffmpeg", debian: ["ffmpeg"] },
    { command: "ffprobe", debian: ["ffmpeg"] },
  ],
  test: [
    { command: "chromium", debian: ["chromium", "fonts-dejavu-core"] },
    { command: "promtool", debian: ["prometheus"] },
    { command: "prometheus-alertmanager", debian: ["prometheus-alertmanager"] },
    { command: "python3", debian: ["python3"] },
  ],
  training: [],
};

const TRAINING_MODULES = { torch: "python3-torch", torchvision: "python3-torchvision", onnx: "python3-onnx", numpy: "python3-numpy" };

class SetupError extends Error {}

/** @param {"run" | "test" | "training"} purpose */
export function setUp(purpose) {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20) throw new SetupError(`Truecast's set-up needs Node 20 or later; this is ${process.version}`);
  installPackages();
  installPrograms(purpose);
  if (purpose !== "training") buildDashboard();
}

function installPackages() {
  const wanted = hashOf([join(root, "package.json"), join(root, "package-lock.json")]);
  if (existsSync(nodePath) && readIfThere(packagesStamp) === wanted) return;
  say("installing npm packages (once)");
  // onnxruntime-node would download CUDA libraries; the CPU and WebGPU providers are inside the package.
  run("npm", ["ci", "--no-audit", "--no-fund"], { ...process.env, ONNXRUNTIME_NODE_INSTALL: "skip" });
  if (!existsSync(nodePath)) throw new SetupError("the npm package `node` did not install its binary; allow its install script and run again");
  writeFileSync(packagesStamp, wanted);
}

function installPrograms(purpose) {
  const needed = purpose === "run" ? PROGRAMS.run : [...PROGRAMS.run, ...PROGRAMS[purpose]];
  const missing = new Set(needed.filter(({ command }) => !onPath(command)).flatMap(({ debian }) => debian));
  // The npm package's Node is linked against libatomic, which a minimal Debian leaves out.
  if (!nodeRuns()) missing.add("libatomic1");
  if (purpose === "training") for (const name of missingPythonPackages()) missing.add(name);
  if (missing.size === 0) return;
  const names = [...missing];
  const install = `apt-get update && apt-get install -y --no-install-recommends ${names.join(" ")}`;
  if (!onPath("apt-get")) throw new SetupError(`missing: ${names.join(", ")}; install them with this system's package manager and run again`);
  if (process.getuid?.() !== 0) throw new SetupError(`missing: ${names.join(", ")}; run this and try again:\n\n  sudo sh -c '${install}'\n`);
  say(`installing ${names.join(", ")} with apt (once)`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-qq"], env);
  run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...names], env);
  if (!nodeRuns()) throw new SetupError(`${nodePath} does not run on this system: ${nodeComplaint()}`);
}

function nodeRuns() {
  return spawnSync(nodePath, ["--version"], { stdio: "ignore" }).status === 0;
}

function nodeComplaint() {
  const { stderr, error } = spawnSync(nodePath, ["--version"], { encoding: "utf8" });
  return error?.message ?? stderr.trim();
}

function missingPythonPackages() {
  const probe = `import importlib.util as u\nprint(*[m for m in ${JSON.stringify(Object.keys(TRAINING_MODULES))} if u.find_spec(m) is None])`;
  const { stdout, status } = spawnSync("/usr/bin/python3", ["-c", probe], { encoding: "utf8" });
  if (status !== 0) return Object.values(TRAINING_MODULES);
  return stdout.split(/\s+/).filter(Boolean).map((name) => TRAINING_MODULES[name]);
}

function buildDashboard() {
  const wanted = hashOf([...filesUnder(join(root, "dashboard")), join(root, "daemon/protocol.ts"), join(root, "package-lock.json")]);
  if (readIfThere(dashboardStamp) === wanted) return;
  say("building the dashboard (once per change)");
  run(nodePath, [join(root, "node_modules/vite/bin/vite.js"), "build", "dashboard", "--logLevel", "warn"], process.env);
  writeFileSync(dashboardStamp, wanted);
}

/** Source files of a folder, without what the build itself writes. */
function filesUnder(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes("/dist/") && !path.includes("/node_modules/"))
    .sort();
}

function hashOf(paths) {
  const hash = createHash("sha256");
  for (const path of paths) hash.update(`${path.slice(root.length)}\0`).update(readFileSync(path)).update("\0");
  return hash.digest("hex");
}

function readIfThere(path) {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

function onPath(command) {
  return (process.env.PATH ?? "").split(":").some((folder) => {
    const path = join(folder, command);
    return existsSync(path) && statSync(path).isFile();
  });
}

function run(command, args, env) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: ["ignore", 2, 2] });
  if (error) throw new SetupError(`${command} could not be started: ${error.message}`);
  if (status !== 0) throw new SetupError(`\`${command} ${args.join(" ")}\` ended with exit code ${status}`);
}

function say(text) {
  process.stderr.write(`truecast set-up: ${text}\n`);
}

/** Runs the set-up; a failure ends the process with one clear message and exit code 1. */
export function setUpOrExit(purpose) {
  try {
    setUp(purpose);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    process.stderr.write(`truecast set-up: ${error.message}\n`);
    process.exit(1);
  }
}

/** Runs a script under the project's own Node, hands signals on and ends as it ends. */
export function runUnderNode(args) {
  // The project's own Node comes first on the PATH of whatever the script starts.
  const env = { ...process.env, PATH: `${join(root, "node_modules/.bin")}:${process.env.PATH ?? ""}` };
  const child = spawn(nodePath, args, { stdio: "inherit", env });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`${nodePath}: ${error.message}\n`);
    process.exit(1);
  });
  child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : (code ?? 1)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const split = args.indexOf("--");
  const own = split === -1 ? args : args.slice(0, split);
  const purpose = own[0] === "--for" ? own[1] : "run";
  if (!["run", "test", "training"].includes(purpose ?? "")) {
    process.stderr.write("usage: node scripts/setup.mjs [--for run|test|training] [-- tool args…]\n");
    process.exit(2);
  }
  setUpOrExit(purpose);
  if (split !== -1) {
    const [tool, ...rest] = args.slice(split + 1);
    runUnderNode([toolPath(tool), ...rest]);
  }
}

/** The script behind a tool's name: a path of this repository, or the bin of an installed package. */
function toolPath(tool) {
  if (tool.includes("/")) return join(root, tool);
  const { bin } = JSON.parse(readFileSync(join(root, "node_modules", tool, "package.json"), "utf8"));
  return join(root, "node_modules", tool, typeof bin === "string" ? bin : bin[tool]);
}

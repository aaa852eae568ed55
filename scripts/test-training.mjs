/** Runs the Python tests of models/training with the system's Python, which has Debian's torch. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./setup.mjs";

const { status } = spawnSync("/usr/bin/python3", ["-m", "unittest", "discover", "-s", "tests"], { cwd: join(root, "models/training"), env: { ...process.env, PYTHONPATH: "." }, stdio: "inherit" });
process.exit(status ?? 1);

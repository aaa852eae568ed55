#!/usr/bin/env node
/** The `truecast` command: sets up what is missing, then runs the command line under the project's own Node. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { nodePath, root, runUnderNode, setUpOrExit } from "./setup.mjs";

const args = process.argv.slice(2);
// These two tell what is missing; they must not install it.
const looksOnly = ["doctor", "check-config"].includes(args[0] ?? "") && existsSync(nodePath);
if (!looksOnly) setUpOrExit("run");
runUnderNode([join(root, "daemon/cli/main.ts"), ...args]);

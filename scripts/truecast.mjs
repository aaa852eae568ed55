#!/usr/bin/env node
/** The `truecast` command: sets up what is missing, then runs the command line under the project's own Node. */
import { join } from "node:path";
import { root, runUnderNode, setUpOrExit } from "./setup.mjs";

setUpOrExit("run");
runUnderNode([join(root, "daemon/cli/main.ts"), ...process.argv.slice(2)]);

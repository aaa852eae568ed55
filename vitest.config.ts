import { defineConfig } from "vitest/config";

/**
 * Each of them keeps both cores busy, or measures how soon something recovers: they come last, one at a time, so that they
 * neither starve others nor are starved.
 */
const LASTING = ["daemon/faults/*.test.ts", "daemon/testing/fuzz/fuzz.test.ts"];

// Tests start real ffmpeg, real child processes and a real browser; on two cores they would starve
// each other if every file ran at once.
export default defineConfig({
  test: {
    pool: "forks",
    testTimeout: 30_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: { name: "tests", include: ["{daemon,pipelines,models,config,dashboard,scripts}/**/*.test.ts"], exclude: ["**/node_modules/**", ...LASTING], maxWorkers: 2, sequence: { groupOrder: 0 } },
      },
      { extends: true, test: { name: "lasting", include: LASTING, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});

import { defineConfig } from "vitest/config";

// Tests start real ffmpeg, real child processes and a real browser; on two cores they would starve
// each other if every file ran at once.
export default defineConfig({
  test: {
    include: ["{daemon,pipelines,models,config,dashboard,scripts}/**/*.test.ts"],
    exclude: ["**/node_modules/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "sdk/typescript/test/**/*.test.ts"],
    globalSetup: "test/harness/global-setup.ts",
    // Many tests wait for others: servers that stop, timers, a browser.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "sdk/typescript/test/**/*.test.ts"],
    globalSetup: "test/harness/global-setup.ts",
    // Many tests wait for others: servers that stop, timers, a browser.
    maxWorkers: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // What is waited for comes at once on a machine that has nothing else to do.
    expect: { poll: { timeout: 10_000 } },
  },
});

import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

// Tests read what commands print: without colour, wherever they run (a `CI` variable alone turns colour on).
const env = { NO_COLOR: "1" };

export default defineConfig({
  test: {
    maxWorkers: Math.max(2, availableParallelism() - 1), // by default a machine of two cores would use one
    projects: [
      {
        test: {
          name: "unit",
          env,
          include: ["test/**/*.test.ts"],
          exclude: ["test/assets/**", "test/peers/**", "test/pages/**", "test/cluster/**"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      { test: { name: "assets", env, include: ["test/assets/**/*.test.ts"], testTimeout: 600_000 } },
      { test: { name: "pages", env, include: ["test/pages/**/*.test.ts"], testTimeout: 60_000 } },
      { test: { name: "cluster", env, include: ["test/cluster/**/*.test.ts"], testTimeout: 300_000 } },
      { test: { name: "peers", env, include: ["test/peers/**/*.test.ts"], testTimeout: 120_000 } },
    ],
  },
});

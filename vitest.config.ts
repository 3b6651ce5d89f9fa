import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/assets/**", "test/peers/**"],
          testTimeout: 60_000,
        },
      },
      { test: { name: "assets", include: ["test/assets/**/*.test.ts"], testTimeout: 600_000 } },
      { test: { name: "peers", include: ["test/peers/**/*.test.ts"], testTimeout: 120_000 } },
    ],
  },
});

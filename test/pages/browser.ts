import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll } from "vitest";

/** A page as a reader has it open. */
export interface OpenPage {
  readonly page: Page;
  /** What the browser complained of, and every address that was asked for besides the file's. */
  readonly faults: readonly string[];
}

export interface Reader {
  readonly colorScheme: "light" | "dark";
  /** Pixels. */
  readonly width: number;
}

/** Opens files in headless Chromium; `LUTHIER_CHROMIUM` says where it is, if not where Debian has it. */
export function openBrowser(): (file: string, reader: Reader) => Promise<OpenPage> {
  let browser: Browser;
  beforeAll(async () => {
    const executablePath = process.env.LUTHIER_CHROMIUM ?? "/usr/bin/chromium";
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  });
  afterAll(() => browser.close());
  return async (file, { colorScheme, width }) => {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    const faults: string[] = [];
    page.on("console", (message) => faults.push(`console: ${message.text()}`));
    page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
    page.on("request", (request) => {
      const own = [`file://${file}`, "data:,"];
      if (!own.includes(request.url())) faults.push(`request: ${request.url()}`);
    });
    await page.goto(`file://${file}`);
    return { page, faults };
  };
}

/** Where pictures of pages are left for people to look at. */
export function screenshotPath(name: string): string {
  const folder = path.join(tmpdir(), "luthier-pages");
  mkdirSync(folder, { recursive: true });
  return path.join(folder, `${name}.png`);
}

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** A browser without a window, which speaks to nobody but the pages that it is shown. */
export async function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: installed() ?? installFromSystem(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

function installed(): string | undefined {
  return places.find((place) => existsSync(place));
}

/** From the system's packages, where this user may install them. */
function installFromSystem(): string {
  if (process.getuid?.() === 0 && spawnSync("apt-get", ["--version"]).status === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    process.stderr.write("Installing Chromium with apt-get, which the tests need\n");
    spawnSync("apt-get", ["update"], { env });
    spawnSync("apt-get", ["install", "--yes", "--no-install-recommends", "chromium"], { env });
  }
  const place = installed();
  if (place !== undefined) return place;
  throw new Error("The tests need a browser: install Chromium or Chrome.");
}

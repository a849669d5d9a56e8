import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";
import { installPackage } from "./system-packages.ts";

const places = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** A browser without a window, which speaks to nobody but the pages that it is shown. */
export async function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: installed() ?? install(),
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

function install(): string {
  installPackage("Chromium", { "apt-get": "chromium", dnf: "chromium", apk: "chromium" });
  const place = installed();
  if (place !== undefined) return place;
  throw new Error("The tests need a browser: install Chromium or Chrome.");
}

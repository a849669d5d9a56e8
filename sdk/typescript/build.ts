import { execFileSync } from "node:child_process";
import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

// Writes the package as it is published to dist: JavaScript and declarations, with the generated code
// that they need, and a package.json whose exports point at them.

const here = import.meta.dirname;
const dist = join(here, "dist");
const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));

rmSync(dist, { recursive: true, force: true });
execFileSync(process.execPath, [join(typescript, "bin/tsc"), "-p", "tsconfig.build.json"], {
  cwd: here,
  stdio: "inherit",
});
copyFileSync(join(here, "README.md"), join(dist, "README.md"));
const {
  private: _,
  scripts: __,
  ...manifest
} = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
manifest.exports = published(manifest.exports);
manifest.bin = { pdaas: `${compiled(manifest.bin.pdaas)}.js` };
writeFileSync(join(dist, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);

/** Exports of the sources as exports of what they were compiled to. */
function published(target: string | Record<string, unknown>): object {
  if (typeof target === "string") {
    return { types: `${compiled(target)}.d.ts`, default: `${compiled(target)}.js` };
  }
  return Object.fromEntries(
    Object.entries(target).map(([key, value]) => [key, published(value as string)]),
  );
}

/** Where a source is, without what its name ends with. */
function compiled(source: string): string {
  return source.replace("./src/", "./sdk/typescript/src/").replace(/\.ts$/, "");
}

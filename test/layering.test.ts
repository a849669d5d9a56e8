import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..");

/** What the parts of `src` may import of each other: dependencies point one way. */
const allowed: Record<string, string[]> = {
  store: [],
  iam: [],
  audit: ["auth", "iam", "store"],
  auth: ["iam", "store"],
  rpc: ["auth", "iam", "audit", "store"],
  server: ["rpc", "auth", "iam", "store"],
  embedded: ["rpc", "iam"],
};
/** Files of `src` itself that any part may import: they import no part. */
const leaves = ["config", "contract", "errors", "ids"];

function importsOf(folder: string): { file: string; imported: string }[] {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.includes("node_modules"))
    .flatMap((file) => {
      const text = readFileSync(join(root, folder, file), "utf8");
      const imports = [...text.matchAll(/(?:from|import) "([^"]+)"/g)];
      return imports.map(([, imported = ""]) => ({ file: join(folder, file), imported }));
    });
}

function resolved(file: string, imported: string): string {
  return imported.startsWith(".") ? normalize(join(dirname(file), imported)) : imported;
}

test.each(Object.entries(allowed))("%s imports only what lies below it", (part, below) => {
  const imports = importsOf(join("src", part));
  expect(imports.length).toBeGreaterThan(0);
  const ours = imports.map(({ file, imported }) => resolved(file, imported));
  const parts = ours
    .filter((path) => path.startsWith("src/"))
    .map((path) => relative("src", path).replace(/(\/.*|\.ts)$/, ""));
  const permitted = [part, ...below, ...leaves];
  expect(parts.filter((name) => !permitted.includes(name))).toEqual([]);
});

test("the leaves import no part", () => {
  for (const leaf of leaves) {
    const text = readFileSync(join(root, `src/${leaf}.ts`), "utf8");
    expect(text).not.toMatch(/from "\.\/\w+\//);
  }
});

test("only the store speaks to Postgres and Redis", () => {
  const clients = ["kysely", "pg", "ioredis"];
  const outside = importsOf("src").filter(
    ({ file, imported }) => clients.includes(imported) && !file.startsWith("src/store/"),
  );
  // The composition root passes settings of connections on, and the embedded server is a Postgres.
  expect(new Set(outside.map(({ file }) => file))).toEqual(
    new Set(["src/service.ts", "src/embedded/postgres.ts"]),
  );
});

test("only the configuration reads the environment", () => {
  const readers = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .filter((file) => readFileSync(join(root, "src", file), "utf8").includes("process.env"));
  expect(readers).toEqual(["config.ts"]);
});

test("clients import nothing of the service", () => {
  const imports = [...importsOf("sdk/typescript/src"), ...importsOf("examples")];
  expect(imports.length).toBeGreaterThan(0);
  const ofService = imports.filter(({ file, imported }) =>
    resolved(file, imported).startsWith("src/"),
  );
  expect(ofService).toEqual([]);
});

test("the service takes of the client only what both must read or sign alike", () => {
  const ofClient = importsOf("src")
    .map(({ file, imported }) => resolved(file, imported))
    .filter((path) => path.startsWith("pdaas") || path.startsWith("sdk/"));
  expect(new Set(ofClient)).toEqual(new Set(["pdaas/audit", "pdaas/signing"]));
});

test("the Merkle trees and checkpoints of both import nothing else", () => {
  const imports = importsOf("sdk/typescript/src/audit").map(({ file, imported }) =>
    resolved(file, imported),
  );
  const outside = imports.filter((path) => !path.startsWith("sdk/typescript/src/audit/"));
  expect(new Set(outside)).toEqual(
    new Set(["node:crypto", "@bufbuild/protobuf", "gen/pdaas/v1/audit_entry_pb.ts"]),
  );
});

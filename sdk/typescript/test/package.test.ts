import { execFile, execFileSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import { FakeLog, linesOf } from "../../../test/audit/support/export.ts";
import { startServer } from "./support/server.ts";
import { verify } from "./support/verify.ts";

const here = join(import.meta.dirname, "..");
const root = join(here, "../..");
const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };

/** A project that has installed the package as it would be published. */
let project: string;
let installed: string;

const run = (cwd: string, command: string, ...args: string[]) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "pdaas-package-"));
  const modules = join(project, "node_modules");
  installed = join(modules, "pdaas");
  mkdirSync(modules);
  run(here, process.execPath, "build.ts");
  run(join(here, "dist"), "npm", "pack", "--silent", "--pack-destination", project);
  run(project, "tar", "xzf", `pdaas-${manifestOf(here).version}.tgz`);
  cpSync(join(project, "package"), installed, { recursive: true });
  for (const name of ["@bufbuild", "@connectrpc", "@grpc", "@types", "commander", "undici-types"]) {
    symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  writeFileSync(join(project, "package.json"), '{ "type": "module" }');
}, 120_000);
afterAll(() => rmSync(project, { recursive: true, force: true }));

function manifestOf(folder: string) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

test("the package holds JavaScript and declarations, and neither sources nor tests", () => {
  const files = readdirSync(installed, { recursive: true, encoding: "utf8" });
  expect(files).toEqual(expect.arrayContaining(["README.md", "package.json"]));
  expect(files.filter((file) => /(?<!\.d)\.ts$|test|proto$/.test(file))).toEqual([]);
  const imports = files
    .filter((file) => file.endsWith(".js"))
    .flatMap((file) => [...readFileSync(join(installed, file), "utf8").matchAll(/from "(.+)"/g)])
    .map(([, name]) => name as string);
  expect(imports.length).toBeGreaterThan(50);
  expect(imports.filter((name) => name.endsWith(".ts"))).toEqual([]);
});

test("the manifest can be published, and names every dependency that is imported", () => {
  const manifest = manifestOf(installed);
  expect(manifest).toMatchObject({ name: "pdaas", type: "module" });
  expect(manifest).not.toHaveProperty("private");
  expect(manifest).not.toHaveProperty("scripts");
  expect(Object.keys(manifest.exports)).toEqual(Object.keys(manifestOf(here).exports));
});

test("plain JavaScript imports each entry, and makes a signed call", async () => {
  const server = await startServer((router) => {
    router.service(OrganizationService, {
      getOrganization: () => ({
        organization: { id: "org_1", slug: "myorg", createTime: { seconds: 1n } },
      }),
    });
  });
  const program = `
    import { Client } from "pdaas";
    import { verifyAuditExport } from "pdaas/audit";
    import { Client as BrowserClient } from "pdaas/browser";
    import { grpcSigningInterceptor } from "pdaas/grpc-js";
    await verifyAuditExport({ lines: [], verifierKeys: [] });
    const organization = await new Client().organizations.getInfo();
    process.stdout.write([organization.slug, BrowserClient.name, grpcSigningInterceptor.name].join());
  `;
  writeFileSync(join(project, "program.js"), program);
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const environment = {
    PDAAS_API_URL: server.baseUrl,
    PDAAS_ACCESS_KEY: key.accessKey,
    PDAAS_SECRET_KEY: key.secretKey,
  };
  const options = { cwd: project, env: environment };
  execFile(process.execPath, ["program.js"], options, (error, stdout) =>
    error ? reject(error) : resolve(stdout),
  );
  expect(await promise).toBe("myorg,Client,grpcSigningInterceptor");
  verify(server.requests[0] as never, key);
});

test("the command that comes with it verifies an export of the audit log", () => {
  const log = new FakeLog(5);
  writeFileSync(join(project, "export.jsonl"), linesOf([...log.events(), log.end()]).join("\n"));
  writeFileSync(join(project, "saved.json"), JSON.stringify(log.end(3)));
  const program = join(installed, manifestOf(installed).bin.pdaas);
  const args = ["audit", "verify", "export.jsonl", "--checkpoint", "saved.json", "--key", log.key];
  expect(readFileSync(program, "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
  expect(run(project, process.execPath, program, ...args)).toMatch(/complete and unchanged/);
});

test.each([
  ["Node", "nodenext", "nodenext"],
  ["a bundler", "esnext", "bundler"],
])(
  "TypeScript as %s resolves it: the types are there, and mistakes are found",
  (_, module, resolution) => {
    const program = `
    import { Client, PdaasError, type ServiceAccount } from "pdaas";
    import { Client as BrowserClient } from "pdaas/browser";
    import { grpcSigningInterceptor } from "pdaas/grpc-js";
    const client = new Client({ baseUrl: "https://api.example.com", transport: "grpc" });
    for await (const serviceAccount of client.serviceAccounts.list()) {
      const typed: ServiceAccount = serviceAccount;
      const time: Date = typed.createTime;
      const state: "unspecified" | "active" | "disabled" | "deleted" = typed.state;
      void [time, state];
    }
    try {
      // @ts-expect-error accountId is missing
      await client.serviceAccounts.create({ name: "x" });
    } catch (error) {
      if (error instanceof PdaasError && error.reason === "RATE_LIMITED") void error.retryAfterMs;
      // @ts-expect-error there is no such reason
      if (error instanceof PdaasError) void (error.reason === "PERMISSION_MISING");
    }
    const user = { baseUrl: "https://api.example.com", email: "", password: "", organizationSlug: "" };
    new BrowserClient({ baseUrl: user.baseUrl });
    // @ts-expect-error half a login
    new BrowserClient({ baseUrl: user.baseUrl, email: "a@b.example" });
    // @ts-expect-error browsers never hold a secret
    new BrowserClient({ ...user, secretKey: "sk_x" });
    grpcSigningInterceptor({ accessKey: "sa_x", secretKey: "sk_x" });
    const { key, predecessor } = await client.apiKeys.rotate({ apiKeyId: "key_x" });
    grpcSigningInterceptor({ key: () => key });
    // @ts-expect-error the secret of the old key is not known
    client.useKey(predecessor);
    // @ts-expect-error a browser's client signs with no key
    new BrowserClient(user).useKey(key);
    const end: Date | undefined = predecessor.expireTime;
    void end;
    const invoice = { type: "Shop::Invoice", id: "7", attributes: { amount: 40, due: new Date() } };
    const asked = { principalId: "usr_x", action: 'Shop::Action::"refund"', resource: invoice };
    const { permitted } = await client.access.authorize(asked);
    const { remedies } = await client.access.explain({ requestId: "x" });
    // @ts-expect-error Cedar has no null
    await client.access.authorize({ ...asked, context: { at: null } });
    void [permitted satisfies boolean, remedies satisfies string[]];
  `;
    writeFileSync(join(project, "program.ts"), program);
    const compiler = join(root, "node_modules/typescript/bin/tsc");
    const options = ["--noEmit", "--strict", "--target", "es2022", "--types", "node"];
    const modules = ["--module", module, "--moduleResolution", resolution];
    run(project, process.execPath, compiler, ...options, ...modules, "program.ts");
  },
);

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServiceProcess } from "./harness/process.ts";

const folder = mkdtempSync(join(tmpdir(), "pdaas-main-"));
const settings = { PDAAS_DATA_DIR: join(folder, "data") };
let service: ServiceProcess;

beforeAll(async () => {
  service = await ServiceProcess.start(settings);
});
afterAll(async () => {
  await service.stop();
  rmSync(folder, { recursive: true, force: true });
});

const login = (password: string | undefined) => ({
  email: "admin@myorg.example",
  organizationSlug: "myorg",
  password: password ?? "",
});

describe("the first start", () => {
  test("prints the password once, the URLs, what is embedded and what to do next", () => {
    expect(service.password).toMatch(/^\w{20}$/);
    expect(service.output).toMatch(/PDaaS Service Accounts \d+\.\d+\.\d+/);
    for (const text of ["PDAAS_DATABASE_URL", "PDAAS_REDIS_URL", "delete", "demo.env"]) {
      expect(service.output).toContain(text);
    }
  });

  test("keeps secrets in files that only their owner reads", () => {
    for (const name of ["demo.env", "master.key"]) {
      expect(statSync(join(settings.PDAAS_DATA_DIR, name)).mode & 0o777).toBe(0o600);
    }
    const demo = readFileSync(join(settings.PDAAS_DATA_DIR, "demo.env"), "utf8");
    const secret = /PDAAS_SECRET_KEY=(\S+)/.exec(demo)?.[1];
    expect(secret).toMatch(/^sk_/);
    expect(service.output).not.toContain(secret);
  });

  test("prints commands that work as they stand", () => {
    const commands = [...service.output.matchAll(/npx node (--env-file=\S+ examples\/\S+)/g)];
    const outputs = commands.map(([, args]) =>
      execFileSync(process.execPath, (args as string).split(" "), { encoding: "utf8" }),
    );
    expect(outputs).toHaveLength(2);
    expect(outputs[0]).toMatch(/Signed as Demo \(svc_\w+\) of myorg/);
    expect(outputs[1]).toMatch(/first: 200.*second: 401.*used before/s);
  });

  test("lets the quickstart run", () => {
    const output = execFileSync(process.execPath, ["examples/quickstart.ts"], {
      encoding: "utf8",
      env: { ...process.env, PDAAS_API_URL: service.httpUrl, PDAAS_PASSWORD: service.password },
    });
    expect(output).toMatch(/CI\/CD Bot is svc_.*member of myorg.*permission_denied/s);
  });
});

test("a second process on the same data is refused", async () => {
  await expect(ServiceProcess.start(settings)).rejects.toThrow(/Another process.*PDAAS_DATA_DIR/s);
});

test("a signal that comes while it starts stops it in good order", async () => {
  const dataDir = join(folder, "interrupted");
  const early = ServiceProcess.launch({ PDAAS_DATA_DIR: dataDir });
  await expect.poll(() => existsSync(dataDir), { timeout: 10_000, interval: 10 }).toBe(true);
  expect(await early.stop()).toBe(0);
  expect(existsSync(join(dataDir, "nonces"))).toBe(true);
});

test("the second start has everything and prints no secrets", async () => {
  const { password } = service;
  expect(await service.stop()).toBe(0);
  service = await ServiceProcess.start(settings);
  expect(service.password).toBeUndefined();
  expect(service.output).not.toContain(password);
  const demo = readFileSync(join(settings.PDAAS_DATA_DIR, "demo.env"), "utf8");
  expect(demo).toContain(`PDAAS_API_URL=${service.httpUrl}\n`);
  const client = new Client({ baseUrl: service.httpUrl, ...login(password) });
  expect((await client.organizations.getInfo()).slug).toBe("myorg");
  await client.close();
});

test("after kill -9 amid 200 creations, what was acknowledged is there, each with its audit event", async () => {
  const dataDir = join(folder, "killed");
  const first = await ServiceProcess.start({ PDAAS_DATA_DIR: dataDir });
  const options = { baseUrl: first.httpUrl, ...login(first.password), maxRetries: 0 };
  const client = new Client(options);
  await client.whoAmI();
  const acknowledged: string[] = [];
  const enough = Promise.withResolvers<void>();
  const creations = Array.from({ length: 200 }, async (_, i) => {
    const name = `Bot ${i}`;
    const { id } = await client.serviceAccounts.create({ accountId: "acc-123", name });
    if (acknowledged.push(id) === 50) enough.resolve();
  });
  const outcomes = Promise.allSettled(creations);
  await enough.promise;
  await first.kill();
  const lost = (await outcomes).filter(({ status }) => status === "rejected");
  expect(lost.length).toBeGreaterThan(0);

  const second = await ServiceProcess.start({ PDAAS_DATA_DIR: dataDir });
  const again = new Client({ ...options, baseUrl: second.httpUrl });
  const there = await Array.fromAsync(
    again.serviceAccounts.list({ pageSize: 200 }),
    ({ id }) => id,
  );
  const events = await Array.fromAsync(
    again.auditEvents.list({ action: "CreateServiceAccount", outcome: "ok", pageSize: 200 }),
    ({ resourceId }) => resourceId,
  );
  await again.close();
  await second.stop();
  expect(there).toEqual(expect.arrayContaining(acknowledged));
  expect(there.length).toBeLessThan(201);
  expect(events.sort()).toEqual(there.sort());
}, 120_000);

describe("a start that cannot be right is refused, and says what to set", () => {
  test.each([
    [
      "production with embedded defaults",
      { PDAAS_ENV: "production" },
      /PDAAS_DATABASE_URL.*PDAAS_REDIS_URL.*PDAAS_MASTER_KEY/s,
    ],
    [
      "a setting that does not exist",
      { PDAAS_DATBASE_URL: "x" },
      /PDAAS_DATBASE_URL: there is no such setting/,
    ],
    [
      "a master key that is none",
      { PDAAS_MASTER_KEY: "short" },
      /PDAAS_MASTER_KEY: must be 32 bytes in base64/,
    ],
    [
      "a master key file that is not there",
      { PDAAS_MASTER_KEY_FILE: "/no/such" },
      /PDAAS_MASTER_KEY_FILE: ENOENT/,
    ],
    ["a Redis that is not there", { PDAAS_REDIS_URL: "redis://127.0.0.1:1" }, /PDAAS_REDIS_URL/],
    [
      "a Postgres that is not there",
      { PDAAS_DATABASE_URL: "postgres://127.0.0.1:1/x" },
      /127\.0\.0\.1:1/,
    ],
    [
      "a port that is taken",
      () => ({ PDAAS_HTTP_LISTEN: new URL(service.httpUrl).host }),
      /PDAAS_HTTP_LISTEN/,
    ],
  ])("%s", async (_, wrong, message) => {
    const given = typeof wrong === "function" ? wrong() : wrong;
    const refused = ServiceProcess.launch({ PDAAS_DATA_DIR: join(folder, "refused"), ...given });
    expect(await refused.ended()).toBe(1);
    expect(refused.output).toMatch(message);
    expect(refused.output).not.toContain("    at ");
  });
});

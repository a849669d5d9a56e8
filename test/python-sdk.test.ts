import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pythonOfSdk } from "./harness/python.ts";
import { administrator, TestService } from "./harness/service.ts";

const root = join(import.meta.dirname, "..");
let python: string;
let service: TestService;

beforeAll(async () => {
  python = pythonOfSdk();
  service = await TestService.start();
}, 180_000);
afterAll(() => service[Symbol.asyncDispose]());

async function run(args: string[], env: Record<string, string>) {
  const child = spawn(python, args, { cwd: root, env: { ...process.env, ...env } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk;
    });
  }
  const [code] = await once(child, "close");
  return { code, output };
}

test("the Python SDK's own tests pass, those against the service among them", async () => {
  const { organizationSlug, email, password } = administrator;
  const given = {
    url: service.httpUrl,
    organization_slug: organizationSlug,
    email,
    password,
    account_id: service.first.accountId,
  };
  const { code, output } = await run(
    ["-m", "pytest", "-q", "-p", "no:cacheprovider", "sdk/python"],
    {
      PDAAS_TEST_SERVICE: JSON.stringify(given),
    },
  );
  expect(code, output).toBe(0);
  expect(Number(/(\d+) passed/.exec(output)?.[1])).toBeGreaterThan(20);
  expect(output).not.toMatch(/skipped|xfailed/);
}, 120_000);

test("its types are complete", async () => {
  const { code, output } = await run(["-m", "mypy", "--strict", "sdk/python/src"], {});
  expect(code, output).toBe(0);
}, 120_000);

test("the quickstart runs as it stands", async () => {
  const { code, output } = await run(["examples/quickstart.py"], {
    PDAAS_API_URL: service.httpUrl,
    PDAAS_PASSWORD: administrator.password,
  });
  expect(code, output).toBe(0);
  expect(output).toMatch(/svc_\w+/);
});

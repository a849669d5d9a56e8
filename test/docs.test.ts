import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ErrorReason } from "../gen/pdaas/v1/error_reason_pb.ts";
import { TestService } from "./harness/service.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const signing = read("docs/hmac-authentication.md");
let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

test("the request that is signed by hand is admitted", async () => {
  const script = /```bash\n(.+?)```/s.exec(signing)?.[1] ?? "";
  const { accessKey, secretKey } = await service.issueKey();
  const env = {
    PATH: process.env.PATH,
    PDAAS_API_URL: service.httpUrl,
    PDAAS_ACCESS_KEY: accessKey,
    PDAAS_SECRET_KEY: secretKey,
  };
  const output = await new Promise<string>((resolve, reject) => {
    execFile("bash", ["-euc", script], { env }, (error, stdout, stderr) =>
      error ? reject(new Error(stderr)) : resolve(stdout),
    );
  });
  expect(JSON.parse(output)).toMatchObject({ organization: { slug: "myorg" } });
});

test("the worked example holds", () => {
  const base = /```\n("@method".+?)\n```/s.exec(signing)?.[1] ?? "";
  const secret = /`(sk_\w+)`/.exec(signing)?.[1] ?? "";
  const mac = createHmac("sha256", secret).update(base).digest("base64");
  expect(signing).toContain(`\`signature: sig=:${mac}:\``);
});

test("every reason that is explained exists", () => {
  const explained = [...signing.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map(([, name]) => name);
  expect(explained.length).toBeGreaterThan(8);
  const unknown = explained.filter((name) => !((name as string) in ErrorReason));
  expect(unknown.filter((name) => !name?.startsWith("PDAAS_"))).toEqual([]);
});

test("the README lists every setting", () => {
  const source = read("src/config.ts");
  const settings = [...source.matchAll(/^ {2}(PDAAS_\w+):/gm)].map(([, name]) => name as string);
  expect(settings.length).toBeGreaterThan(15);
  const readme = read("README.md");
  expect(settings.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});

test("every link between files leads somewhere", () => {
  const pages = [
    "README.md",
    "CONTRIBUTING.md",
    "sdk/typescript/README.md",
    "sdk/python/README.md",
  ];
  for (const name of readdirSync(join(root, "docs"))) pages.push(join("docs", name));
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map(([, target]) => join(dirname(page), target as string))
      .filter((target) => !existsSync(join(root, target))),
  );
  expect(broken).toEqual([]);
});

test("the lock file names packages, and no registry", () => {
  expect(read("package-lock.json")).not.toMatch(/https?:\/\/[^"]*\.tgz/);
});

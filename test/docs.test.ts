import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { Client } from "pdaas";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { AllowlistLevel } from "../gen/pdaas/v1/allowlist_service_pb.ts";
import { ErrorReason } from "../gen/pdaas/v1/error_reason_pb.ts";
import { CidrError, canonicalCidr } from "../src/auth/cidr.ts";
import { type ForwardedHeader, TrustedProxies } from "../src/auth/source-address.ts";
import { methods, permissions } from "../src/contract.ts";
import { Code } from "../src/errors.ts";
import { refusalOf } from "./harness/clients.ts";
import { administrator, TestService } from "./harness/service.ts";

const root = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(root, file), "utf8");
const signing = read("docs/hmac-authentication.md");
/** Every page of the documentation, by its path. */
const pages = new Map(
  readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => [join("docs", name), read(join("docs", name))]),
);
const guides = [
  "creating-service-accounts",
  "api-keys",
  "ip-allowlists",
  "policies-and-groups",
  "audit-log",
] as const;
const guide = (name: (typeof guides)[number]) => pages.get(join("docs", `${name}.md`)) as string;
/** The snippets of a page in one language, which are one program. */
const program = (page: string, language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n(.+?)\`\`\``, "gs"))]
    .map(([, code]) => code)
    .join("\n");
/** What a page has in Cedar, by the file that its first line names; without one it is named by a number. */
const cedarFiles = (page: string) =>
  [...page.matchAll(/```cedar\n(.+?)```/gs)].map(([, text = ""], i): [string, string] => {
    const [, file = String(i)] = /^\/\/ (\S+\.cedar(?:schema)?)\n/.exec(text) ?? [];
    return [file, text];
  });
let service: TestService;

beforeAll(async () => {
  service = await TestService.start();
});
afterAll(() => service[Symbol.asyncDispose]());

/** Runs a program, and gives what it prints. */
async function run(
  command: string,
  args: string[],
  env: Record<string, string> = {},
  cwd = root,
): Promise<string> {
  return new Promise<string>((resolve, reject) => {
    const options = { cwd, env: { PATH: process.env.PATH, ...env } };
    execFile(command, args, options, (error, stdout, stderr) =>
      error ? reject(new Error(`${stdout}${stderr}`)) : resolve(stdout),
    );
  });
}

test("the request that is signed by hand is admitted", async () => {
  const { accessKey, secretKey } = await service.issueKey();
  const output = await run("bash", ["-euc", program(signing, "bash")], {
    PDAAS_API_URL: service.httpUrl,
    PDAAS_ACCESS_KEY: accessKey,
    PDAAS_SECRET_KEY: secretKey,
  });
  expect(JSON.parse(output)).toMatchObject({ organization: { slug: "myorg" } });
});

test("the worked example holds", () => {
  const base = /```\n("@method".+?)\n```/s.exec(signing)?.[1] ?? "";
  const secret = /`(sk_\w+)`/.exec(signing)?.[1] ?? "";
  const mac = createHmac("sha256", secret).update(base).digest("base64");
  expect(signing).toContain(`\`signature: sig=:${mac}:\``);
});

/** A folder of its own for `work`, with files in it. */
async function inFolder(files: Iterable<[string, string]>, work: (folder: string) => unknown) {
  const folder = mkdtempSync(join(tmpdir(), "pdaas-docs-"));
  try {
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What each recipe shows. */
const recipes = [
  "1. reads: permitted",
  "1. changes: PERMISSION_MISSING",
  "2. elsewhere: PERMISSION_MISSING",
  "2. lists: permitted PERMISSION_MISSING",
  "2. gives more: PERMISSION_ESCALATION",
  "3. rotates: permitted permitted",
  "3. elsewhere: PERMISSION_MISSING",
  "3. issues: PERMISSION_MISSING",
  "4. here: PERMISSION_MISSING",
  "4. at the office: true",
  "4. for all actions: LAST_ADMINISTRATOR",
  "5. a key: PERMISSION_MISSING",
  "5. a session: permitted",
  "6. staging: permitted PERMISSION_MISSING",
  "6. live: permitted permitted",
  "7. now: (permitted|PERMISSION_MISSING)",
  "7. all day: permitted",
  "7. never: PERMISSION_MISSING",
  "8. the mailer: PERMISSION_MISSING",
  "8. another one: permitted",
  "9. the clerk: true false",
  "9. the manager: true",
  "10. was: false PERMISSION_MISSING",
  "10. remedy: [^\\n]+",
  "10. would change: ListApiKeys true false true",
  "10. now: permitted",
];

describe("the snippets of a guide are a program", () => {
  test.each([
    ["creating-service-accounts", /svc_\w+ active.*ServiceAccounts\.read.*CreateServiceAccount/s],
    [
      "api-keys",
      /true true.*old key: 20\S+ 127\.0\.0\.1 pdaas-.*was used at.*true false.*sa_\w+ disabled\ntrue/s,
    ],
    [
      "ip-allowlists",
      /is not on an allowlist.*service_account reported.*add this one first: 127\.0\.0\.1/s,
    ],
    [
      "audit-log",
      /^PERMISSION_MISSING\n.*forwarded \d+ CreateAccount P.*name "CI\/CD Bot" → "Build server".*proven: U\w+ "Build server"\ntrue \[\]\nerased from \d events/s,
    ],
    ["policies-and-groups", new RegExp(recipes.join("\\n(?:.*\\n)*?"))],
  ] as const)(
    "that runs: %s",
    async (name, output) => {
      const { email, password, organizationSlug } = administrator;
      const page = guide(name);
      await inFolder([["try.mts", program(page, "ts")], ...cedarFiles(page)], async (folder) => {
        symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
        const env = {
          PDAAS_API_URL: service.httpUrl,
          PDAAS_EMAIL: email,
          PDAAS_PASSWORD: password,
          PDAAS_ORGANIZATION: organizationSlug,
        };
        expect(await run(process.execPath, ["try.mts"], env, folder)).toMatch(output);
      });
    },
    120_000,
  );

  test("with the right types", async () => {
    const files = guides.map((name) => `${name}.mts`);
    const compilerOptions = {
      noUnusedLocals: false,
      paths: { pdaas: [join(root, "sdk/typescript/src/index.ts")] },
      typeRoots: [join(root, "node_modules/@types")],
    };
    const config = { extends: join(root, "tsconfig.json"), compilerOptions, files, include: [] };
    const programs = guides.map((name) => [`${name}.mts`, program(guide(name), "ts")] as const);
    const all = new Map([...programs, ["tsconfig.json", JSON.stringify(config)]]);
    await inFolder(all, (folder) => run(join(root, "node_modules/.bin/tsc"), ["-p", folder]));
  });
});

test("every recipe has a policy, and a snippet that reads it from its file", () => {
  const sections = guide("policies-and-groups")
    .split(/^### (?=\d+\. )/m)
    .slice(1);
  expect(sections.map((section) => Number.parseInt(section, 10))).toEqual(
    Array.from({ length: 10 }, (_, i) => i + 1),
  );
  for (const section of sections) {
    const policies = cedarFiles(section).filter(([file]) => file.endsWith(".cedar"));
    expect(policies, section).not.toEqual([]);
    for (const [file] of policies) {
      expect(program(section, "ts")).toMatch(new RegExp(`"${file.replace(".cedar", "")}["\\.]`));
    }
  }
});

test("a policy that is only shown is valid too", async () => {
  const shown = cedarFiles(guide("policies-and-groups")).filter(([file]) => /^\d+$/.test(file));
  expect(shown).not.toEqual([]);
  for (const [, text] of shown) await service.admin.policies.testChange({ text });
});

test("a leaked key is reported as it is shown", async () => {
  const { secretKey, accessKey, apiKeyId } = await service.issueKey();
  const env = { PDAAS_API_URL: service.httpUrl, FOUND: secretKey };
  const output = await run("bash", ["-euc", program(guide("api-keys"), "bash")], env);
  expect(JSON.parse(output)).toEqual({ accessKey, state: "API_KEY_STATE_DISABLED" });
  const { leakSource } = await service.admin.apiKeys.get({ apiKeyId });
  expect(leakSource).toMatch(/^https:/);
});

test("who has locked everybody out gets in again as it is shown", async () => {
  const key = await service.issueKey();
  const signed = service.signed(key);
  const { allowlists, organizations } = service.admin;
  const resourceId = service.organizationId;
  await organizations.getInfo();
  await allowlists.add({ resourceId, cidr: "198.51.100.0/24", force: true });
  for (const client of [service.admin, signed]) {
    const refusal = await refusalOf(client.organizations.getInfo());
    expect(refusal).toMatchObject({ reason: "ADDRESS_NOT_ALLOWED" });
  }
  await service.database.query(program(guide("ip-allowlists"), "sql"));
  await organizations.getInfo();
  const outcome = () => signed.organizations.getInfo().then(() => "OK", String);
  await expect.poll(outcome, { timeout: 5_000, interval: 100 }).toBe("OK");
  expect((await allowlists.getAllowlist({ resourceId })).reportOnly).toBe(true);
  const { items } = await allowlists.list({ resourceId }).page();
  for (const { id } of items) await allowlists.remove({ allowlistEntryId: id });
});

test("an export of the audit log is verified as it is shown", async () => {
  const { auditEvents } = service.admin;
  const { text, verifierKey } = await auditEvents.checkpoint();
  const folder = mkdtempSync(join(tmpdir(), "pdaas-docs-"));
  const [file, saved] = [join(folder, "export.jsonl"), join(folder, "checkpoint.json")];
  writeFileSync(file, Buffer.concat(await Array.fromAsync(auditEvents.export())));
  writeFileSync(saved, text);
  const env = { EXPORT: file, CHECKPOINT: saved, VERIFIER_KEY: verifierKey };
  try {
    const output = await run("bash", ["-euc", program(guide("audit-log"), "bash")], env);
    expect(output).toMatch(
      /^The audit log of org_\w+ is complete and unchanged from 1 to \d+[^\n]*\.\n$/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the table of findings is what the verifier has", () => {
  const listed = [...guide("audit-log").matchAll(/^\| `([a-z-]+)` +\|/gm)].map(([, kind]) => kind);
  const kinds = [...read("sdk/typescript/src/audit/findings.ts").matchAll(/^ {2}\| "([a-z-]+)"/gm)];
  expect(listed.sort()).toEqual(kinds.map(([, kind]) => kind).sort());
});

test("the table of permissions is the contract's", () => {
  const rows = [
    ...guide("creating-service-accounts").matchAll(/^\| (none|`\w+\.\w+`) +\| (`.+) \|$/gm),
  ];
  const listed = rows.map(([, permission, rpcs]) => [
    permission?.replaceAll("`", "").replace("none", ""),
    [...(rpcs as string).matchAll(/\w+/g)].map(String),
  ]);
  const callable = [...methods.values()].filter(({ action }) => !withoutSession.includes(action));
  const needed = Map.groupBy(callable, ({ access }) => access.permission);
  const expected = [...needed].map(([permission, of]) => [permission, of.map((m) => m.action)]);
  const sorted = (table: unknown[][]) =>
    Object.fromEntries(table.map(([permission, rpcs]) => [permission, (rpcs as string[]).sort()]));
  expect(sorted(listed)).toEqual(sorted(expected));
});

/** What is about a session or a secret of one's own. */
const withoutSession = ["Login", "RefreshSession", "Logout", "AcceptInvitation", "ReportLeakedKey"];

test("the table of CIDRs is what the service says", () => {
  const rows = [
    ...guide("ip-allowlists").matchAll(/^\| `([^`]+)` +\| (?:`([^`]+)`|nothing) +\| (.+?) +\|$/gm),
  ];
  expect(rows.length).toBeGreaterThan(10);
  for (const [, written, offered, since] of rows) {
    const error = refusalOfCidr(written as string);
    expect(error.canonical, written).toBe(offered);
    expect(error.message).toContain(since);
  }
});

function refusalOfCidr(cidr: string): CidrError {
  try {
    canonicalCidr(cidr);
  } catch (error) {
    if (error instanceof CidrError) return error;
    throw error;
  }
  throw new Error(`${cidr} is not refused`);
}

test("a made-up header helps nobody, as it is shown", () => {
  const page = guide("ip-allowlists");
  const [, header, value] = /^the proxy passes on +(\S+): (.+)$/m.exec(page) ?? [];
  const [, seen] = /^the service sees +(\S+)$/m.exec(page) ?? [];
  const name = header?.toLowerCase() as ForwardedHeader;
  const proxies = new TrustedProxies(["10.0.0.5/32"], name);
  const head = { header: (asked: string) => (asked === name ? value : undefined) };
  expect(proxies.sourceAddress("10.0.0.5", head)).toBe(seen);
  expect(page).toContain(`a thief at ${seen} `);
});

describe("what a page names exists:", () => {
  const sources = ["src", "examples", "sdk/typescript/src"]
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".ts"))
        .map((file) => read(join(folder, file))),
    )
    .join("\n");
  const quoted = new Set([...sources.matchAll(/"(\w+)"/g)].map(([, text]) => text));
  const settings = new Set([...sources.matchAll(/\bPDAAS_\w+/g)].map(String));
  const constants = new Set([
    ...Object.keys(ErrorReason),
    ...Object.keys(Code).map((name) => name.replace(/[A-Z]/g, "_$&").toUpperCase()),
    ...Object.keys(AllowlistLevel).map((level) => `ADDRESS_NOT_ALLOWED_BY_${level}`),
    ...settings,
  ]);
  const rpcs = new Set([...methods.values()].map(({ action }) => action));
  const details = ["ErrorInfo", "RetryInfo"];
  const inline = (page: string) =>
    [...page.replaceAll(/^```.*?^```$/gms, "").matchAll(/`([^`\n]+)`/g)].map(
      ([, text]) => text as string,
    );

  test.each([...pages])("%s", (_, page) => {
    const known: [RegExp, (name: string) => boolean][] = [
      [/^[A-Z]+(_[A-Z]+)+$/, (name) => constants.has(name) || quoted.has(name)],
      [
        /^[A-Z][a-z]+([A-Z][a-z]*)+$/,
        (name) => [...rpcs, ...details].includes(name) || quoted.has(name),
      ],
      [/^[A-Z]\w+\.[a-z]+$/, (name) => permissions.has(name)],
    ];
    for (const [form, exists] of known) {
      const names = inline(page).filter((name) => form.test(name));
      expect(names.filter((name) => !exists(name))).toEqual([]);
    }
    const used = [...page.matchAll(/PDAAS_[A-Z_]+/g)].map(String);
    expect(used.filter((name) => !settings.has(name))).toEqual([]);
    const client = new Client({ baseUrl: service.httpUrl, accessKey: "sa_x", secretKey: "sk_x" });
    for (const [call, group, method] of page.matchAll(/\b(?:admin|client)\.(\w+)(?:\.(\w+))?/g)) {
      const target = (client as unknown as Record<string, never>)[group as string];
      const callable = method === undefined ? target : target?.[method];
      expect(typeof callable, call).toMatch(method === undefined ? /function|object/ : /function/);
    }
  });
});

test("the README lists every setting", () => {
  const source = read("src/config.ts");
  const settings = [...source.matchAll(/^ {2}(PDAAS_\w+):/gm)].map(([, name]) => name as string);
  expect(settings.length).toBeGreaterThan(15);
  const readme = read("README.md");
  expect(settings.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
});

test("every link between files leads somewhere", () => {
  const others = [
    "README.md",
    "CONTRIBUTING.md",
    "sdk/typescript/README.md",
    "sdk/python/README.md",
  ];
  const linking = [...others, ...pages.keys()];
  const broken = linking.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)]
      .map(([, path, heading]) => ({
        page,
        target: join(dirname(page), path || basename(page)),
        heading,
      }))
      .filter(
        ({ target, heading }) => !existsSync(join(root, target)) || !hasHeading(target, heading),
      ),
  );
  expect(broken).toEqual([]);
});

/** Headings are linked to in lower case, with hyphens for spaces and without punctuation. */
function hasHeading(file: string, anchor: string | undefined): boolean {
  if (anchor === undefined) return true;
  const headings = [...read(file).matchAll(/^#+ (.+)$/gm)].map(([, text]) =>
    (text as string)
      .toLowerCase()
      .replaceAll(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
  return headings.includes(anchor);
}

test("the lock file names packages, and no registry", () => {
  expect(read("package-lock.json")).not.toMatch(/https?:\/\/[^"]*\.tgz/);
});

import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ConfigError, decodeMasterKey, masterKeyFile, readConfig } from "../src/config.ts";

const folder = mkdtempSync(join(tmpdir(), "pdaas-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** The message of the refusal. */
function refusal(env: Record<string, string>): string {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error(`not refused: ${JSON.stringify(env)}`);
}

const masterKey = randomBytes(32);
const production = {
  PDAAS_ENV: "production",
  PDAAS_DATABASE_URL: "postgres://pdaas:secret@db.internal/pdaas",
  PDAAS_REDIS_URL: "rediss://redis.internal:6379",
  PDAAS_MASTER_KEY: masterKey.toString("base64"),
};

test("nothing set: development, on loopback, with everything embedded", () => {
  const config = readConfig({ PATH: "/bin" });
  expect(config).toEqual({
    production: false,
    dataDir: resolve("data"),
    databaseUrl: undefined,
    redisUrl: undefined,
    masterKey: undefined,
    grpc: { host: "127.0.0.1", port: 50_051 },
    http: { host: "127.0.0.1", port: 8_080 },
    tls: undefined,
    corsOrigins: new Set(),
    authorities: undefined,
    trustedProxies: new Set(),
    forwardedHeader: "x-forwarded-for",
    auditCheckpoints: {},
    auditStdout: false,
    logLevel: "warn",
    shutdownMs: 10_000,
    first: {
      organizationSlug: "myorg",
      accountId: "acc-123",
      email: "admin@myorg.example",
      password: undefined,
    },
  });
  expect(masterKeyFile(config)).toBe(join(resolve("data"), "master.key"));
});

test("everything set: taken as it is", () => {
  const config = readConfig({
    ...production,
    PDAAS_DATA_DIR: "/var/lib/pdaas",
    PDAAS_GRPC_LISTEN: "[::]:443",
    PDAAS_HTTP_LISTEN: "localhost:0",
    PDAAS_TLS_CERT_FILE: "package.json",
    PDAAS_TLS_KEY_FILE: "README.md",
    PDAAS_CORS_ORIGINS: "https://a.example, https://b.example",
    PDAAS_AUTHORITIES: "api.example.com,api.example.com:8443",
    PDAAS_TRUSTED_PROXIES: "10.0.0.0/8, 2001:db8::/48",
    PDAAS_FORWARDED_HEADER: "forwarded",
    PDAAS_AUDIT_CHECKPOINT_FILE: "/mnt/checkpoint",
    PDAAS_AUDIT_CHECKPOINT_URL: "https://witness.example/checkpoint",
    PDAAS_AUDIT_STDOUT: "true",
    PDAAS_LOG_LEVEL: "debug",
    PDAAS_SHUTDOWN_SECONDS: "0.5",
    PDAAS_FIRST_ORGANIZATION: "acme",
    PDAAS_FIRST_ACCOUNT: "main",
    PDAAS_FIRST_ADMIN_EMAIL: "Root@Acme.example",
    PDAAS_FIRST_ADMIN_PASSWORD: "twelve chars",
  });
  expect(config).toEqual({
    production: true,
    dataDir: "/var/lib/pdaas",
    databaseUrl: production.PDAAS_DATABASE_URL,
    redisUrl: production.PDAAS_REDIS_URL,
    masterKey,
    grpc: { host: "::", port: 443 },
    http: { host: "localhost", port: 0 },
    tls: { certFile: "package.json", keyFile: "README.md" },
    corsOrigins: new Set(["https://a.example", "https://b.example"]),
    authorities: new Set(["api.example.com", "api.example.com:8443"]),
    trustedProxies: new Set(["10.0.0.0/8", "2001:db8::/48"]),
    forwardedHeader: "forwarded",
    auditCheckpoints: { file: "/mnt/checkpoint", url: "https://witness.example/checkpoint" },
    auditStdout: true,
    logLevel: "debug",
    shutdownMs: 500,
    first: {
      organizationSlug: "acme",
      accountId: "main",
      email: "root@acme.example",
      password: "twelve chars",
    },
  });
});

test("a setting that is empty counts as not set", () => {
  const names = [
    "PDAAS_ENV",
    "PDAAS_REDIS_URL",
    "PDAAS_MASTER_KEY",
    "PDAAS_AUTHORITIES",
    "PDAAS_TRUSTED_PROXIES",
  ];
  const empty = Object.fromEntries(names.map((name) => [name, ""]));
  expect(readConfig(empty)).toEqual(readConfig({}));
});

test("what clients and tests read is left alone", () => {
  const clients = ["API_URL", "ACCESS_KEY", "SECRET_KEY", "EMAIL", "PASSWORD", "TEST_REDIS_URL"];
  const env = Object.fromEntries(clients.map((name) => [`PDAAS_${name}`, "x"]));
  expect(readConfig(env)).toEqual(readConfig({}));
});

const bad = {
  PDAAS_ENV: "staging",
  PDAAS_DATABASE_URL: "mysql://db/pdaas",
  PDAAS_REDIS_URL: "http://redis",
  PDAAS_GRPC_LISTEN: "50051",
  PDAAS_HTTP_LISTEN: "127.0.0.1:65536",
  PDAAS_FORWARDED_HEADER: "x-real-ip",
  PDAAS_AUDIT_CHECKPOINT_URL: "ftp://witness.example",
  PDAAS_AUDIT_STDOUT: "yes",
  PDAAS_LOG_LEVEL: "verbose",
  PDAAS_SHUTDOWN_SECONDS: "soon",
  PDAAS_FIRST_ORGANIZATION: "My Org",
  PDAAS_FIRST_ACCOUNT: "-",
  PDAAS_FIRST_ADMIN_EMAIL: "root",
  PDAAS_FIRST_ADMIN_PASSWORD: "short",
};

test.each(Object.entries(bad))("%s=%s: refused by its name", (name, value) => {
  expect(refusal({ [name]: value })).toMatch(new RegExp(`^${name}: .+$`));
});

test("several bad settings are all named, a line for each", () => {
  const lines = refusal(bad).split("\n");
  expect(lines.map((line) => line.split(":")[0]).sort()).toEqual(Object.keys(bad).sort());
});

test("a password that is too short is not told", () => {
  expect(refusal({ PDAAS_FIRST_ADMIN_PASSWORD: "hunter2" })).not.toContain("hunter2");
});

test.each(["50051", ":50051", "host", "::1:50051", "[::1]", "a:b:1", "h:123456", "h:-1"])(
  "listening on %j: refused",
  (value) => {
    expect(refusal({ PDAAS_GRPC_LISTEN: value })).toContain("must be host:port");
  },
);

test("a setting that there is not is refused by its name", () => {
  const message = refusal({ PDAAS_REDIS_UR: "redis://x", PDAAS_FOO: "1" });
  expect(message).toContain("PDAAS_REDIS_UR");
  expect(message).toContain("PDAAS_FOO");
  expect(message).toContain("there is no such setting");
});

test.each([
  ["PDAAS_DATABASE_URL", "PDAAS_DATABASE_URL"],
  ["PDAAS_REDIS_URL", "PDAAS_REDIS_URL"],
  ["PDAAS_MASTER_KEY", "PDAAS_MASTER_KEY or PDAAS_MASTER_KEY_FILE"],
])("production without %s: refused by its name alone", (name, told) => {
  const { [name as keyof typeof production]: _, ...rest } = production;
  const message = refusal(rest);
  expect(message.split("\n")).toHaveLength(1);
  expect(message.startsWith(`${told}: production does not`)).toBe(true);
});

test("production with nothing of its own: all three are named", () => {
  const lines = refusal({ PDAAS_ENV: "production" }).split("\n");
  expect(lines.map((line) => line.split(/[ :]/)[0])).toEqual([
    "PDAAS_DATABASE_URL",
    "PDAAS_REDIS_URL",
    "PDAAS_MASTER_KEY",
  ]);
});

test("production logs at info, development at warn", () => {
  expect(readConfig(production).logLevel).toBe("info");
  expect(readConfig({}).logLevel).toBe("warn");
});

test("half of the TLS settings is refused, naming both", () => {
  for (const name of ["PDAAS_TLS_CERT_FILE", "PDAAS_TLS_KEY_FILE"]) {
    const message = refusal({ [name]: "/tls/file.pem" });
    expect(message).toContain("PDAAS_TLS_CERT_FILE");
    expect(message).toContain("PDAAS_TLS_KEY_FILE");
  }
});

test("the master key, from the environment or from a file, with or without a newline", () => {
  const text = masterKey.toString("base64");
  expect(readConfig({ PDAAS_MASTER_KEY: text }).masterKey).toEqual(masterKey);
  for (const [name, ending] of Object.entries({ plain: "", newline: "\n", windows: "\r\n" })) {
    const path = file(name, text + ending);
    expect(readConfig({ PDAAS_MASTER_KEY_FILE: path }).masterKey).toEqual(masterKey);
  }
});

test("the master key given twice is refused, naming both settings and neither key", () => {
  const text = masterKey.toString("base64");
  const message = refusal({ PDAAS_MASTER_KEY: text, PDAAS_MASTER_KEY_FILE: file("both", text) });
  expect(message).toContain("PDAAS_MASTER_KEY and PDAAS_MASTER_KEY_FILE");
  expectNothingOf(text, message);
});

test("a master key file that cannot be read is refused, by the setting and the file", () => {
  const path = join(folder, "missing");
  const message = refusal({ PDAAS_MASTER_KEY_FILE: path });
  expect(message).toMatch(/^PDAAS_MASTER_KEY_FILE: /);
  expect(message).toContain(path);
  expect(refusal({ PDAAS_MASTER_KEY_FILE: folder })).toMatch(/^PDAAS_MASTER_KEY_FILE: /);
});

test.each([
  ["too short", randomBytes(31).toString("base64")],
  ["too long", randomBytes(33).toString("base64")],
  ["without padding", masterKey.toString("base64").slice(0, -1)],
  ["in hexadecimal", masterKey.toString("hex")],
  ["in base64url", `${"_-".repeat(21)}A=`],
  ["with a stray character", `${masterKey.toString("base64").slice(0, -2)}!=`],
])("a master key %s: refused, and no part of it told", (name, text) => {
  const message = refusal({ PDAAS_MASTER_KEY: text });
  expect(message).toMatch(/^PDAAS_MASTER_KEY: must be 32 bytes in base64/);
  expectNothingOf(text, message);
  const fromFile = refusal({ PDAAS_MASTER_KEY_FILE: file(name, text) });
  expect(fromFile).toMatch(/^PDAAS_MASTER_KEY_FILE: must be 32 bytes in base64/);
  expectNothingOf(text, fromFile);
  expect(() => decodeMasterKey(text, "x")).toThrow(ConfigError);
});

function expectNothingOf(key: string, message: string): void {
  for (let at = 0; at + 6 <= key.length; at++) {
    expect(message).not.toContain(key.slice(at, at + 6));
  }
}

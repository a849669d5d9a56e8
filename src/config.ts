import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";

/** Everything that can be set, from the environment alone. */
export interface Config {
  production: boolean;
  dataDir: string;
  /** undefined: embedded Postgres in the data folder. */
  databaseUrl: string | undefined;
  /** undefined: nonces are kept in this process. */
  redisUrl: string | undefined;
  /** undefined: a key in the data folder, made at the first start. */
  masterKey: Buffer | undefined;
  grpc: Address;
  http: Address;
  tls: { certFile: string; keyFile: string } | undefined;
  corsOrigins: ReadonlySet<string>;
  /** What `@authority` of a signed request may be; undefined accepts any. */
  authorities: ReadonlySet<string> | undefined;
  /** CIDRs of the proxies whose word for a caller's address is taken, */
  trustedProxies: ReadonlySet<string>;
  /** and the one header in which they give it. */
  forwardedHeader: "x-forwarded-for" | "forwarded";
  /** The URL of the page that takes invitations; undefined where there is none. */
  invitationPage: string | undefined;
  /** Where checkpoints of the audit log are published; undefined: nowhere. */
  auditCheckpoints: { file: string | undefined; url: string | undefined };
  /** Whether audit events are printed. */
  auditStdout: boolean;
  logLevel: "fatal" | "error" | "warn" | "info" | "debug";
  /** How long calls in flight may take to finish at a shutdown. */
  shutdownMs: number;
  /** The first organization and its administrator, made when the database has none. */
  first: {
    organizationSlug: string;
    accountId: string;
    email: string;
    /** undefined: a random one, printed once. */
    password: string | undefined;
  };
}

export interface Address {
  host: string;
  port: number;
}

/** A setting that the service cannot start with. */
export class ConfigError extends Error {}

const list = z.string().transform((text) => new Set(text.split(",").map((s) => s.trim())));
const slug = z.string().regex(/^[a-z][a-z0-9-]{1,38}[a-z0-9]$/, "3 to 40 of a-z, 0-9 and -");

const schema = z.strictObject({
  PDAAS_ENV: z.enum(["development", "production"]).default("development"),
  PDAAS_DATA_DIR: z.string().min(1).default("data"),
  PDAAS_DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  PDAAS_REDIS_URL: z
    .string()
    .regex(
      /^redis(s|\+sentinel|\+cluster)?:\/\//,
      "redis://, rediss://, redis+sentinel:// or redis+cluster://",
    )
    .optional(),
  PDAAS_MASTER_KEY: z.string().optional(),
  PDAAS_MASTER_KEY_FILE: z.string().optional(),
  PDAAS_GRPC_LISTEN: z.string().default("127.0.0.1:50051").transform(address),
  PDAAS_HTTP_LISTEN: z.string().default("127.0.0.1:8080").transform(address),
  PDAAS_TLS_CERT_FILE: z.string().optional(),
  PDAAS_TLS_KEY_FILE: z.string().optional(),
  PDAAS_CORS_ORIGINS: list.optional(),
  PDAAS_AUTHORITIES: list.optional(),
  PDAAS_TRUSTED_PROXIES: list.optional(),
  PDAAS_FORWARDED_HEADER: z.enum(["x-forwarded-for", "forwarded"]).default("x-forwarded-for"),
  PDAAS_INVITATION_PAGE: z
    .url({ protocol: /^https?$/ })
    .refine((url) => !url.includes("#"), "without a fragment")
    .optional(),
  PDAAS_AUDIT_CHECKPOINT_FILE: z.string().min(1).optional(),
  PDAAS_AUDIT_CHECKPOINT_URL: z.url({ protocol: /^https?$/ }).optional(),
  PDAAS_AUDIT_STDOUT: z.enum(["true", "false"]).default("false"),
  PDAAS_LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug"]).optional(),
  PDAAS_SHUTDOWN_SECONDS: z.coerce.number().min(0).max(600).default(10),
  PDAAS_FIRST_ORGANIZATION: slug.default("myorg"),
  PDAAS_FIRST_ACCOUNT: slug.default("acc-123"),
  PDAAS_FIRST_ADMIN_EMAIL: z.email().optional(),
  PDAAS_FIRST_ADMIN_PASSWORD: z.string().min(12, "at least 12 characters").optional(),
});

/** What clients and tests read: set beside ours, it is no mistake. */
const foreign = /^PDAAS_(API_URL|ACCESS_KEY|SECRET_KEY|EMAIL|PASSWORD|ORGANIZATION|TEST_\w+)$/;

/**
 * Reads the settings.
 * @throws ConfigError naming every setting that is wrong or missing
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const ours = Object.entries(env).filter(
    ([name, value]) => name.startsWith("PDAAS_") && !foreign.test(name) && value !== "",
  );
  const parsed = schema.safeParse(Object.fromEntries(ours));
  if (!parsed.success) throw new ConfigError(parsed.error.issues.map(explain).join("\n"));
  const settings = parsed.data;
  const production = settings.PDAAS_ENV === "production";
  if (production) refuseEmbedded(settings);
  return {
    production,
    dataDir: resolve(settings.PDAAS_DATA_DIR),
    databaseUrl: settings.PDAAS_DATABASE_URL,
    redisUrl: settings.PDAAS_REDIS_URL,
    masterKey: masterKey(settings),
    grpc: settings.PDAAS_GRPC_LISTEN,
    http: settings.PDAAS_HTTP_LISTEN,
    tls: tls(settings),
    corsOrigins: settings.PDAAS_CORS_ORIGINS ?? new Set(),
    authorities: settings.PDAAS_AUTHORITIES,
    trustedProxies: settings.PDAAS_TRUSTED_PROXIES ?? new Set(),
    forwardedHeader: settings.PDAAS_FORWARDED_HEADER,
    invitationPage: settings.PDAAS_INVITATION_PAGE,
    auditCheckpoints: {
      file: settings.PDAAS_AUDIT_CHECKPOINT_FILE,
      url: settings.PDAAS_AUDIT_CHECKPOINT_URL,
    },
    auditStdout: settings.PDAAS_AUDIT_STDOUT === "true",
    logLevel: settings.PDAAS_LOG_LEVEL ?? (production ? "info" : "warn"),
    shutdownMs: settings.PDAAS_SHUTDOWN_SECONDS * 1_000,
    first: {
      organizationSlug: settings.PDAAS_FIRST_ORGANIZATION,
      accountId: settings.PDAAS_FIRST_ACCOUNT,
      email: (
        settings.PDAAS_FIRST_ADMIN_EMAIL ?? `admin@${settings.PDAAS_FIRST_ORGANIZATION}.example`
      ).toLowerCase(),
      password: settings.PDAAS_FIRST_ADMIN_PASSWORD,
    },
  };
}

type Settings = z.infer<typeof schema>;

function explain(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") {
    return `${issue.keys.join(", ")}: there is no such setting. The README lists them all.`;
  }
  return `${issue.path.join(".")}: ${issue.message}`;
}

/** Production runs on real servers and a key of its own; what is embedded is for trying things out. */
function refuseEmbedded(settings: Settings): void {
  const missing: string[] = [];
  if (settings.PDAAS_DATABASE_URL === undefined) {
    missing.push("PDAAS_DATABASE_URL: production does not run on the embedded Postgres");
  }
  if (settings.PDAAS_REDIS_URL === undefined) {
    missing.push("PDAAS_REDIS_URL: production does not keep nonces in its own process");
  }
  if (settings.PDAAS_MASTER_KEY === undefined && settings.PDAAS_MASTER_KEY_FILE === undefined) {
    missing.push(
      "PDAAS_MASTER_KEY or PDAAS_MASTER_KEY_FILE: production does not make its own master key (openssl rand -base64 32 does)",
    );
  }
  if (missing.length > 0) throw new ConfigError(missing.join("\n"));
}

function address(text: string, context: z.RefinementCtx): Address {
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) {
    context.addIssue("must be host:port, such as 127.0.0.1:8080 or [::1]:8080");
    return z.NEVER;
  }
  return { host: (match[1] ?? match[2]) as string, port };
}

function masterKey(settings: Settings): Buffer | undefined {
  const { PDAAS_MASTER_KEY: text, PDAAS_MASTER_KEY_FILE: file } = settings;
  if (text !== undefined && file !== undefined) {
    throw new ConfigError("PDAAS_MASTER_KEY and PDAAS_MASTER_KEY_FILE: set one of them, not both");
  }
  if (text !== undefined) return decodeMasterKey(text, "PDAAS_MASTER_KEY");
  if (file === undefined) return undefined;
  return decodeMasterKey(readSettingFile("PDAAS_MASTER_KEY_FILE", file), "PDAAS_MASTER_KEY_FILE");
}

/** @throws ConfigError which says what is wrong but not what was given: it may be most of a key */
export function decodeMasterKey(text: string, setting: string): Buffer {
  const key = Buffer.from(text.trim(), "base64");
  if (key.length === 32 && /^[A-Za-z0-9+/]{43}=$/.test(text.trim())) return key;
  throw new ConfigError(
    `${setting}: must be 32 bytes in base64 (openssl rand -base64 32 makes one)`,
  );
}

function readSettingFile(setting: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError(`${setting}: ${(error as Error).message}`);
  }
}

function tls(settings: Settings): Config["tls"] {
  const { PDAAS_TLS_CERT_FILE: certFile, PDAAS_TLS_KEY_FILE: keyFile } = settings;
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new ConfigError("PDAAS_TLS_CERT_FILE and PDAAS_TLS_KEY_FILE: set both or neither");
  }
  readSettingFile("PDAAS_TLS_CERT_FILE", certFile);
  readSettingFile("PDAAS_TLS_KEY_FILE", keyFile);
  return { certFile, keyFile };
}

/** Where the embedded mode keeps its master key. */
export const masterKeyFile = (config: Config) => join(config.dataDir, "master.key");

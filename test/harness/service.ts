import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { Client } from "pdaas";
import { pino } from "pino";
import { inject } from "vitest";
import { readConfig } from "../../src/config.ts";
import { type FirstRun, firstRun } from "../../src/first-run.ts";
import { type Service, startService } from "../../src/service.ts";
import { createDatabase, type TestDatabase } from "./database.ts";

type Settings = Record<string, string>;

/** A key of a service account that was made for a test. */
export interface TestKey {
  accessKey: string;
  secretKey: string;
  apiKeyId: string;
  serviceAccountId: string;
}

export const masterKey = randomBytes(32).toString("base64");
export const administrator = {
  organizationSlug: "myorg",
  email: "admin@myorg.example",
  password: "correct horse battery staple",
};

/** A whole service on its own database, with an organization, its administrator and one account. */
export class TestService {
  readonly database: TestDatabase;
  readonly service: Service;
  readonly first: FirstRun;
  /** Every line that was logged, at any level. */
  readonly log: string[];
  readonly #stack: AsyncDisposableStack;
  /** A session of the administrator. */
  readonly admin: Client;

  private constructor(
    service: Service,
    first: FirstRun,
    database: TestDatabase,
    log: string[],
    stack: AsyncDisposableStack,
  ) {
    this.service = service;
    this.first = first;
    this.database = database;
    this.log = log;
    this.#stack = stack;
    this.admin = new Client({ baseUrl: service.httpUrl, ...administrator });
  }

  /** @param settings on top of the tests' own: a database, real Redis, any free ports */
  static async start(
    settings: Settings | ((database: TestDatabase) => Settings) = {},
  ): Promise<TestService> {
    const stack = new AsyncDisposableStack();
    const database = await createDatabase();
    stack.defer(() => database.drop());
    const log: string[] = [];
    const chosen = typeof settings === "function" ? settings(database) : settings;
    const { service, first } = await launch(database, log, stack, chosen);
    if (first === undefined) throw new Error("the database was not empty");
    return new TestService(service, first, database, log, stack);
  }

  /** Another process's worth of service on the same database. */
  async replica(settings: Settings = {}): Promise<Service> {
    return (await launch(this.database, this.log, this.#stack, settings)).service;
  }

  get organizationId(): string {
    return this.first.administrator.organizationId;
  }

  get httpUrl(): string {
    return this.service.httpUrl;
  }

  get grpcUrl(): string {
    return `http://${this.service.grpcAddress}`;
  }

  /** A key of a new service account. */
  async issueKey(permissions: string[] = ["*"]): Promise<TestKey> {
    const account = await this.admin.serviceAccounts.create({
      accountId: this.first.accountId,
      name: "Test",
      permissions,
    });
    const key = await this.admin.serviceAccounts.issueKey({ serviceAccountId: account.id });
    return {
      accessKey: key.accessKey,
      secretKey: key.secretKey,
      apiKeyId: key.id,
      serviceAccountId: account.id,
    };
  }

  signed(key: TestKey): Client {
    return new Client({ baseUrl: this.httpUrl, ...key });
  }

  /** Events get into the audit log within a moment, so this waits until it has what is expected. */
  async auditRows(where: string, values: unknown[], count: number): Promise<AuditRow[]> {
    const statement = `select * from audit_entries where ${where} order by sequence`;
    for (let attempt = 0; attempt < 400; attempt++) {
      const rows = await this.database.query<AuditRow>(statement, values);
      if (rows.length >= count) return rows;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    throw new Error(`the audit log has fewer than ${count} events where ${where}`);
  }

  /** All that is recorded, whether it has its place in the log or not. */
  async recorded(where: string, values: unknown[] = []): Promise<AuditRow[]> {
    const columns =
      "action, outcome, reason, principal_id, api_key_id, resource_type, resource_id, request_id, address, entry, time";
    const all = `select ${columns} from audit_entries union all select ${columns} from audit_pending`;
    return this.database.query(`select * from (${all}) as e where ${where} order by time`, values);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.admin.close().catch(() => {});
    await this.#stack.disposeAsync();
  }
}

export interface AuditRow {
  id: string;
  action: string;
  outcome: number;
  reason: string;
  principal_id: string;
  api_key_id: string;
  resource_type: string;
  resource_id: string;
  request_id: string;
  address: string;
  entry: Buffer;
}

async function launch(
  database: TestDatabase,
  log: string[],
  stack: AsyncDisposableStack,
  settings: Settings,
): Promise<{ service: Service; first: FirstRun | undefined }> {
  const dataDir = await mkdtemp(join(tmpdir(), "pdaas-service-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const config = readConfig({
    PDAAS_DATA_DIR: dataDir,
    PDAAS_DATABASE_URL: database.url,
    PDAAS_REDIS_URL: inject("redisUrl"),
    PDAAS_MASTER_KEY: masterKey,
    PDAAS_GRPC_LISTEN: "127.0.0.1:0",
    PDAAS_HTTP_LISTEN: "127.0.0.1:0",
    PDAAS_FIRST_ADMIN_PASSWORD: administrator.password,
    ...settings,
  });
  let first: FirstRun | undefined;
  const service = await startService(
    config,
    pino({ level: "debug" }, collector(log)),
    (reason) => log.push(`fatal: ${reason}`),
    async (app) => {
      first = await firstRun(config, app);
    },
  );
  stack.defer(() => service.close());
  return { service, first };
}

function collector(log: string[]): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      log.push(chunk.toString());
      done();
    },
  });
}

import { createPublicKey } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import type pg from "pg";
import type { Logger } from "pino";
import { collectDefaultMetrics, Registry } from "prom-client";
import { AuditLog } from "./audit/audit-log.ts";
import { CheckpointPublisher } from "./audit/checkpoint-publisher.ts";
import { type NoteSigner, verifierKey } from "./audit/note.ts";
import { Sequencer } from "./audit/sequencer.ts";
import { AccessTokens } from "./auth/access-tokens.ts";
import { openCheckpointKey } from "./auth/checkpoint-key.ts";
import { CidrError } from "./auth/cidr.ts";
import { Credentials } from "./auth/credentials.ts";
import { EpochPoll } from "./auth/epoch-poll.ts";
import { KeyUsage } from "./auth/key-usage.ts";
import { decoyHash } from "./auth/passwords.ts";
import { normalAuthority } from "./auth/request-head.ts";
import { type MasterKey, masterKeyFrom } from "./auth/sealing.ts";
import { TrustedProxies } from "./auth/source-address.ts";
import { type Config, ConfigError, masterKeyFile } from "./config.ts";
import { openMasterKey } from "./embedded/master-key.ts";
import { startEmbeddedPostgres } from "./embedded/postgres.ts";
import { announceExpiries } from "./rpc/announce-expiries.ts";
import type { App } from "./rpc/app.ts";
import { AuditPrinter } from "./rpc/audit/audit-printer.ts";
import { dropAuditEntries } from "./rpc/audit/drop-audit-entries.ts";
import { SinkDeliverer } from "./rpc/audit-sink/sink-deliverer.ts";
import { fingerprintSecrets } from "./rpc/fingerprint-secrets.ts";
import { purgeDeleted } from "./rpc/purge.ts";
import { addAuditMetrics } from "./server/audit-metrics.ts";
import { createGrpcServer, type GrpcServer, listenGrpc } from "./server/grpc.ts";
import { addHealth, addReflection } from "./server/health.ts";
import { createHttpListener } from "./server/http.ts";
import { HttpServer } from "./server/http-server.ts";
import { OpenStreams } from "./server/open-streams.ts";
import { Outcomes } from "./server/outcome.ts";
import { Readiness } from "./server/readiness.ts";
import { Certificate, grpcCredentials } from "./server/tls.ts";
import { AuditFeed } from "./store/audit-feed.ts";
import { type Database, openDatabase } from "./store/database.ts";
import { asServiceError } from "./store/errors.ts";
import { type Instance, markReplayStoreUsed, openInstance } from "./store/instance.ts";
import { takeLead } from "./store/leadership.ts";
import { removeExpired } from "./store/maintenance.ts";
import { migrateToLatest } from "./store/migrate.ts";
import { ProcessLock } from "./store/process-lock.ts";
import { connectRedis } from "./store/redis.ts";
import { openMemoryReplayStore } from "./store/replay/memory.ts";
import { RedisReplayStore } from "./store/replay/redis.ts";
import type { ReplayStore } from "./store/replay/replay-store.ts";

/** A running service. */
export interface Service {
  readonly app: App;
  /** Such as `http://127.0.0.1:8080`. */
  readonly httpUrl: string;
  /** Such as `127.0.0.1:50051`. */
  readonly grpcAddress: string;
  /** Finishes calls in flight, writes what is left, and stops everything that was started. */
  close(): Promise<void>;
}

/**
 * V8 would place at once among its old objects what calls are made of, since the calls in flight survive its
 * collections. Dead, but not collected there for long, they would keep alive all that they refer to: a
 * seventh of what calls allocate was copied, and then marked and swept, instead of forgotten.
 */
const youngCalls = "--no-allocation-site-pretenuring";

/**
 * Starts the service, all of it or nothing.
 * @param onFatal told when it must not go on: the process should end
 * @param prepare runs when all but the servers is up, so that what it makes is there for the first call
 */
export async function startService(
  config: Config,
  log: Logger,
  onFatal: (reason: string) => void,
  prepare: (app: App) => Promise<void> = async () => {},
): Promise<Service> {
  setFlagsFromString(youngCalls);
  // Whatever was started is stopped in reverse order, at the end or when a later step fails.
  await using started = new AsyncDisposableStack();
  const app = await startApp(config, log, onFatal, started);
  await prepare(app);
  const addresses = await startServers(config, app, started);
  const stack = started.move();
  return { app, ...addresses, close: () => stack.disposeAsync() };
}

async function startApp(
  config: Config,
  log: Logger,
  onFatal: (reason: string) => void,
  started: AsyncDisposableStack,
): Promise<App> {
  const proxies = trustedProxies(config);
  const poolConfig = await startDatabase(config, onFatal, started);
  const db = openDatabase(poolConfig, (error) => log.warn({ err: error }, "database connection"));
  started.defer(() => db.destroy());
  await migrateToLatest(db).catch((error: unknown) => {
    if (asServiceError(error).reason !== "DATABASE_UNAVAILABLE") throw error;
    throw new Error(
      `Postgres cannot be reached: ${(error as Error).message}. Check PDAAS_DATABASE_URL.`,
    );
  });
  const masterKey = await loadMasterKey(config);
  const instance = await openInstance(db, masterKey.id);
  await lockProcess(config, poolConfig, onFatal, started);
  const replay = await startReplayStore(config, db, instance, log);
  started.defer(() => replay.close());
  const credentials = new Credentials(db, masterKey);
  replay.onReconnect(() => credentials.clear());
  // Before what writes events and numbers them, so that it sees the last of those too.
  if (config.auditStdout) await startPrinter(db, log, started);
  const signer = await checkpointSigner(db, masterKey, instance);
  startSequencer(config, poolConfig, signer, log, started);
  const audit = new AuditLog(db, (error) => log.error({ err: error }, "audit log not written"));
  started.defer(() => audit.close());
  const auditFeed = new AuditFeed(db, poolConfig, (error) =>
    log.warn({ err: error }, "audit feed"),
  );
  void auditFeed.start();
  started.defer(() => auditFeed.close());
  const usage = new KeyUsage(db, (error) => log.warn({ err: error }, "uses of keys not written"));
  started.defer(() => usage.close());
  startBackground(db, credentials, log, started);
  await decoyHash();
  const accessTokens = await AccessTokens.open(db, masterKey);
  const authorities = config.authorities && new Set([...config.authorities].map(normalAuthority));
  const app = {
    db,
    replay,
    credentials,
    accessTokens,
    masterKey,
    audit,
    auditFeed,
    checkpointVerifierKey: verifierKey(signer.name, createPublicKey(signer.privateKey)),
    usage,
    log,
    authorities,
    proxies,
    invitationPage: config.invitationPage,
    isProduction: config.production,
  };
  startMaintenance(app, started);
  startSinks(app, started);
  return app;
}

/** @throws ConfigError saying which CIDR is not canonical, and what to write instead */
function trustedProxies({ trustedProxies: cidrs, forwardedHeader }: Config): TrustedProxies {
  try {
    return new TrustedProxies(cidrs, forwardedHeader);
  } catch (error) {
    if (!(error instanceof CidrError)) throw error;
    throw new ConfigError(`PDAAS_TRUSTED_PROXIES: ${error.message}`);
  }
}

async function startDatabase(
  config: Config,
  onFatal: (reason: string) => void,
  started: AsyncDisposableStack,
): Promise<pg.PoolConfig> {
  if (config.databaseUrl !== undefined) return { connectionString: config.databaseUrl };
  await mkdir(config.dataDir, { recursive: true });
  const postgres = await startEmbeddedPostgres({ dataDir: join(config.dataDir, "postgres") });
  started.defer(() => postgres.stop());
  postgres.onEnd(() => onFatal("The embedded Postgres has ended. Start the service again."));
  return postgres.poolConfig;
}

async function loadMasterKey(config: Config): Promise<MasterKey> {
  return masterKeyFrom(config.masterKey ?? (await openMasterKey(masterKeyFile(config))));
}

async function lockProcess(
  config: Config,
  poolConfig: pg.PoolConfig,
  onFatal: (reason: string) => void,
  started: AsyncDisposableStack,
): Promise<void> {
  const mode = config.redisUrl === undefined ? "exclusive" : "shared";
  const reason =
    "Another process serves this database, and one of the two keeps nonces to itself: a signature could be used once on each. Give every process the same PDAAS_REDIS_URL.";
  const lock = new ProcessLock(poolConfig, mode, () => onFatal(reason));
  started.defer(() => lock.release());
  if (!(await lock.acquire())) throw new Error(reason);
}

async function startReplayStore(
  config: Config,
  db: Database,
  instance: Instance,
  log: Logger,
): Promise<ReplayStore> {
  const firstEver = !instance.replayStoreUsed;
  const store =
    config.redisUrl === undefined
      ? await openMemory(config.dataDir, firstEver)
      : await openRedis(config.redisUrl, instance.id, firstEver, log);
  // What was left in a file before knows nothing of the nonces since then.
  await rm(nonceFile(config.dataDir), { force: true });
  await markReplayStoreUsed(db);
  return store;
}

const nonceFile = (dataDir: string) => join(dataDir, "nonces");

async function openMemory(dataDir: string, firstEver: boolean): Promise<ReplayStore> {
  await mkdir(dataDir, { recursive: true });
  return openMemoryReplayStore({ file: nonceFile(dataDir), firstEver });
}

async function openRedis(
  url: string,
  instance: string,
  firstEver: boolean,
  log: Logger,
): Promise<ReplayStore> {
  const warn = (message: string) => log.warn(message);
  const store = new RedisReplayStore(connectRedis(url, { log: warn }), { instance, log: warn });
  await store.initialize({ firstEver });
  return store;
}

/** Checkpoints are signed in the name of the installation. */
async function checkpointSigner(
  db: Database,
  masterKey: MasterKey,
  { id }: Instance,
): Promise<NoteSigner> {
  return { name: `pdaas/${id}`, privateKey: await openCheckpointKey(db, masterKey) };
}

function startSequencer(
  { auditCheckpoints }: Config,
  poolConfig: pg.PoolConfig,
  signer: NoteSigner,
  log: Logger,
  started: AsyncDisposableStack,
): void {
  const publisher = new CheckpointPublisher(auditCheckpoints, (error) =>
    log.warn({ err: error }, "checkpoint not published"),
  );
  started.defer(() => publisher.close());
  const sequencer = new Sequencer({
    signer,
    takeLead: (signal) => takeLead(poolConfig, signal),
    onError: (error) => log.error({ err: error }, "audit log not sequenced"),
    onCheckpoint: (checkpoint) => publisher.publish(checkpoint),
  });
  sequencer.start();
  started.defer(() => sequencer.close());
}

function startBackground(
  db: Database,
  credentials: Credentials,
  log: Logger,
  started: AsyncDisposableStack,
): void {
  const poll = new EpochPoll(db, credentials, (error) => log.warn({ err: error }, "epoch poll"));
  poll.start();
  started.defer(() => poll.stop());
}

function startMaintenance(app: App, started: AsyncDisposableStack): void {
  let running = maintain(app);
  const timer = setInterval(() => {
    running = maintain(app);
  }, 10 * 60_000).unref();
  started.defer(async () => {
    clearInterval(timer);
    await running;
  });
}

function startSinks(app: App, started: AsyncDisposableStack): void {
  const deliverer = new SinkDeliverer(app);
  deliverer.start();
  started.defer(() => deliverer.close());
}

async function startPrinter(
  db: Database,
  log: Logger,
  started: AsyncDisposableStack,
): Promise<void> {
  const onError = (error: unknown) => log.warn({ err: error }, "audit events not printed");
  const printer = new AuditPrinter({ db, output: process.stdout, onError });
  await printer.start();
  started.defer(() => printer.close());
}

async function maintain(app: App): Promise<void> {
  const steps = [
    () => fingerprintSecrets(app),
    () => announceExpiries(app),
    () => purgeDeleted(app),
    () => dropAuditEntries(app),
    () => removeExpired(app.db),
  ];
  for (const step of steps) {
    await step().catch((error: unknown) => app.log.warn({ err: error }, "maintenance"));
  }
}

async function startServers(config: Config, app: App, started: AsyncDisposableStack) {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  started.defer(() => registry.clear());
  const outcomes = new Outcomes(app, registry);
  addAuditMetrics(app, registry);
  const certificate = openCertificate(config, app.log);
  started.defer(() => certificate?.stop());

  const open = new OpenStreams(app, registry);
  const grpc = createGrpcServer(app, outcomes, open);
  const setHealth = addHealth(grpc.server);
  addReflection(grpc.server);
  const readiness = new Readiness(app, setHealth);
  const { corsOrigins } = config;
  const listener = createHttpListener({ app, outcomes, open, readiness, registry, corsOrigins });
  const http = new HttpServer(listener, certificate?.current);
  certificate?.onChange((tls) => http.setTls(tls));

  // Both at once, so that a shutdown takes no longer than it may; one that does not listen yet is fine.
  started.defer(async () => {
    open.close();
    await Promise.all([stopGrpc(grpc, config.shutdownMs), http.close(config.shutdownMs)]);
  });
  const grpcPort = await listenGrpc(grpc.server, config.grpc, grpcCredentials(certificate));
  const httpPort = await http.listen(config.http.host, config.http.port);
  await readiness.start();
  started.defer(() => readiness.close());
  const scheme = config.tls === undefined ? "http" : "https";
  return {
    httpUrl: `${scheme}://${hostPort(config.http.host, httpPort)}`,
    grpcAddress: hostPort(config.grpc.host, grpcPort),
  };
}

function openCertificate({ tls }: Config, log: Logger): Certificate | undefined {
  if (tls === undefined) return undefined;
  return new Certificate(tls, (error) =>
    log.warn({ err: error }, "certificate not taken into use"),
  );
}

/** Lets calls in flight finish for a while, then ends what is left. */
async function stopGrpc({ server, watch }: GrpcServer, graceMs: number): Promise<void> {
  const stopped = new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
  await watch.close(graceMs);
  await stopped;
}

function hostPort(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

import { Cluster, Redis } from "ioredis";

export interface RedisConnectOptions {
  /** Told once when the connection is lost, and once when it is back. Never given a password. */
  log: (message: string) => void;
  /** A command that takes longer has failed. */
  commandTimeoutMs?: number;
}

/**
 * Connects to Redis: `redis://`, `rediss://` (TLS), `redis+sentinel://host:26379,host:26379/name` or
 * `redis+cluster://host:6379,host:6379`, each with `user:password@` if need be. It reconnects by
 * itself; until then commands fail at once and are never sent again later.
 */
export function connectRedis(url: string, options: RedisConnectOptions): Redis | Cluster {
  const redis = create(url, {
    commandTimeout: options.commandTimeoutMs ?? 1_000,
    connectTimeout: 2_000,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempts) => Math.min(attempts * 50, 500),
  });
  let connected = true;
  redis.on("error", (error: Error) => {
    if (connected) options.log(`redis: connection lost (${error.message})`);
    connected = false;
  });
  redis.on("ready", () => {
    if (!connected) options.log("redis: connected again");
    connected = true;
  });
  return redis;
}

interface CommonOptions {
  commandTimeout: number;
  connectTimeout: number;
  enableOfflineQueue: false;
  autoResendUnfulfilledCommands: false;
  maxRetriesPerRequest: number;
  retryStrategy: (attempts: number) => number;
}

function create(url: string, options: CommonOptions): Redis | Cluster {
  const [, scheme, rest] = /^redis\+(sentinel|cluster):\/\/(.*)$/.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) return new Redis(url, options);
  const [, user, password, hosts, name] =
    /^(?:([^:@]*):([^@]*)@)?([^/]+)(?:\/(.+))?$/.exec(rest) ?? [];
  const nodes = (hosts ?? "").split(",").map(hostPort);
  const credentials = {
    ...(user && { username: decodeURIComponent(user) }),
    ...(password && { password: decodeURIComponent(password) }),
  };
  if (scheme === "cluster") {
    return new Cluster(nodes, {
      redisOptions: {
        commandTimeout: options.commandTimeout,
        connectTimeout: options.connectTimeout,
        maxRetriesPerRequest: options.maxRetriesPerRequest,
        ...credentials,
      },
      enableOfflineQueue: false,
    });
  }
  if (name === undefined) {
    throw new Error("PDAAS_REDIS_URL: a redis+sentinel URL ends with /NAME, the master's name");
  }
  return new Redis({ ...options, ...credentials, sentinels: nodes, name });
}

function hostPort(text: string): { host: string; port: number } {
  const [, host, port] = /^(.*?)(?::(\d+))?$/.exec(text) ?? [];
  return { host: host ?? "", port: Number(port ?? 6379) };
}

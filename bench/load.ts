// The load: as many calls at once as asked for, each signed where there are keys, with any of them.

import { type SigningKey, signRequest } from "pdaas";
import { encodeHead, Http2Connection } from "./frames.ts";
import { readKeys } from "./key-file.ts";

/** What to call, and how. */
export interface Load {
  origin: string;
  path: string;
  /** The message in base64, not framed. */
  body: string;
  contentType: "application/grpc" | "application/proto";
  /** Keys to sign with, picked at random; see key-file.ts. */
  keyFile?: string;
  connections: number;
  /** Calls at once on each connection. */
  concurrency: number;
  milliseconds: number;
}

const files = new Map<string, SigningKey[]>();

process.on("message", async (message: { kind: string; load: Load }) => {
  if (message.kind === "done") process.send?.({ done: await run(message.load) });
});
process.on("SIGTERM", () => process.exit(0));
process.send?.({ ready: true });

/** @returns how many calls were answered */
async function run(load: Load): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const url = new URL(load.path, load.origin);
  const body = framed(load);
  const keys = keysOf(load);
  const end = performance.now() + load.milliseconds;
  let inFlight = 0;
  let done = 0;
  const open = async () => {
    const connection = await Http2Connection.open(load.origin, () => {
      done++;
      inFlight--;
      if (performance.now() < end) call();
      else if (inFlight === 0) resolve();
    });
    const call = () => {
      inFlight++;
      connection.send(headOf(url, load, body, keys), body);
    };
    for (let i = 0; i < load.concurrency; i++) call();
    return connection;
  };
  const connections = await Promise.all(Array.from({ length: load.connections }, open));
  await promise;
  for (const connection of connections) connection.close();
  return done;
}

function framed(load: Load): Buffer {
  const message = Buffer.from(load.body, "base64");
  if (load.contentType !== "application/grpc") return message;
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

function headOf(url: URL, load: Load, body: Buffer, keys: SigningKey[]): Buffer {
  const { contentType } = load;
  const headers = { "content-type": contentType, te: "trailers" };
  const key = keys[Math.floor(Math.random() * keys.length)];
  if (key === undefined) return encodeHead(url, headers);
  const covered = contentType === "application/grpc" ? {} : { contentType };
  const signature = signRequest({ method: "POST", url, body, ...key, ...covered });
  return encodeHead(url, { ...headers, ...signature });
}

function keysOf({ keyFile }: Load): SigningKey[] {
  if (keyFile === undefined) return [];
  const keys = files.get(keyFile) ?? readKeys(keyFile);
  files.set(keyFile, keys);
  return keys;
}

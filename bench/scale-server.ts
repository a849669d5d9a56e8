// The service with many keys in its database, which caches the credentials of those that can sign.

import { setImmediate } from "node:timers/promises";
import { type SigningKey, signRequest } from "pdaas";
import type { Credential } from "../src/auth/credentials.ts";
import { readSignature } from "../src/auth/signature.ts";
import type { App } from "../src/rpc/app.ts";
import { fill } from "./fill.ts";
import { serve } from "./service.ts";

const { BENCH_USABLE, BENCH_OTHERS, BENCH_KEY_LINES } = process.env;
let keys: SigningKey[] = [];
let cached: (Credential | undefined)[] = [];

await serve(
  async (app, { administrator: { organizationId } }) => {
    const counts = { usable: Number(BENCH_USABLE), others: Number(BENCH_OTHERS) };
    keys = await fill(app, organizationId, counts);
    // As many lines with few keys as with many: the load generator then works the same for both.
    return Array.from(
      { length: Number(BENCH_KEY_LINES) },
      (_, i) => keys[i % keys.length] as SigningKey,
    );
  },
  (app) => ({ cached: () => cacheAll(app), kept: async () => countKept(app) }),
);

/** How many credentials are read at once. */
const atOnce = 100;

/** @returns bytes of memory per credential */
async function cacheAll(app: App): Promise<number> {
  // What the first queries leave behind, such as connections, is not part of a credential.
  for (let i = 0; i < 10; i++) await cacheSome(app, keys.slice(0, atOnce).map(stranger));
  const before = await usedMemory();
  for (let start = 0; start < keys.length; start += atOnce) {
    await cacheSome(app, keys.slice(start, start + atOnce));
  }
  return ((await usedMemory()) - before) / keys.length;
}

function stranger({ secretKey }: SigningKey, i: number): SigningKey {
  return { accessKey: `sa_nobody_${i}_${Math.random().toString(36).slice(2)}`, secretKey };
}

async function cacheSome(app: App, some: SigningKey[]): Promise<void> {
  const reads = some.map((key) => app.credentials.get(accessKeyOfCall(key)));
  if (!reads.every((read) => read instanceof Promise)) throw new Error("a key was cached before");
  await Promise.all(reads);
}

/** The access key as a call brings it, because what is cached may hold on to more of the call. */
function accessKeyOfCall(key: SigningKey): string {
  const url = "http://127.0.0.1/pdaas.v1.OrganizationService/GetOrganization";
  const signature = signRequest({ ...key, method: "POST", url, body: "" });
  const headers: Record<string, string> = { "content-type": "application/grpc", ...signature };
  const head = {
    method: "POST",
    authority: "127.0.0.1",
    target: new URL(url).pathname,
    header: (name: string) => headers[name],
  };
  return readSignature(head, Date.now() / 1_000, undefined).accessKey;
}

/** @returns how many credentials are cached and were not read again since this was last asked */
function countKept(app: App): number {
  const before = cached;
  cached = keys.map((key) => cachedCredential(app, key));
  // One that was read again is another object.
  return cached.filter((credential, i) => credential !== undefined && credential === before[i])
    .length;
}

function cachedCredential(app: App, { accessKey }: SigningKey): Credential | undefined {
  const credential = app.credentials.get(accessKey);
  return credential instanceof Promise ? undefined : credential;
}

/** Bytes of what is in use, on the heap and beside it. */
async function usedMemory(): Promise<number> {
  // What one collection lets go of may be the last that held something else.
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await setImmediate();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

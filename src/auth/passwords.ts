import { hash, type Options, verify } from "@node-rs/argon2";
import { Code, ServiceError } from "../errors.ts";
import { randomBase62 } from "../ids.ts";

/** Argon2id (2) as OWASP recommends it first: 19 MiB, 2 passes, 1 lane. */
const options: Options = {
  algorithm: 2,
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
};

/** Beyond this many at once, hashing would starve everything else of memory and threads. */
const maxConcurrent = 32;
let concurrent = 0;

/** A PHC string, `$argon2id$v=19$m=19456,t=2,p=1$…`. */
export async function hashPassword(password: string): Promise<string> {
  return limited(() => hash(password, options));
}

/**
 * Whether `password` is the one of `passwordHash`. Without a hash (no such user) it takes as long
 * and answers false, so that its time tells nobody who has an account.
 */
export async function passwordHolds(
  password: string,
  passwordHash: string | undefined,
): Promise<boolean> {
  const against = passwordHash ?? (await decoyHash());
  const holds = await limited(() => verify(against, password));
  return holds && passwordHash !== undefined;
}

/** 20 characters, 119 random bits. */
export function newPassword(): string {
  return randomBase62(20);
}

let decoy: Promise<string> | undefined;

/** The hash of a password that nobody knows. Also called at start, so that no login waits for it. */
export function decoyHash(): Promise<string> {
  decoy ??= hash(newPassword(), options);
  return decoy;
}

async function limited<T>(work: () => Promise<T>): Promise<T> {
  if (concurrent >= maxConcurrent) {
    throw new ServiceError(
      Code.resourceExhausted,
      "OVERLOADED",
      "Too many logins are being checked right now. Try again in a second.",
      { retryAfterMs: 1_000 },
    );
  }
  concurrent++;
  try {
    return await work();
  } finally {
    concurrent--;
  }
}

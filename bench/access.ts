// What a decision costs: of a principal that is read with its 20 policies, and of one that is cached.

import { startEnvironment } from "./environment.ts";
import { BenchProcess } from "./process.ts";

/** What a process that decides tells of it. */
export interface DecisionCosts {
  /** Milliseconds from nothing to the first decision: a query, and all that is made of its answer. */
  cold_ms: number;
  /** Microseconds of a decision that depends on the resource and on the address, and was made before. */
  cached_us: number;
  /** Microseconds of one that depends on nothing but the action. */
  constant_us: number;
}

export async function measureAccess(): Promise<DecisionCosts> {
  await using stack = new AsyncDisposableStack();
  const environment = await startEnvironment(stack);
  const decider = await BenchProcess.start<DecisionCosts>(
    stack,
    "access-server.ts",
    0,
    environment,
  );
  return decider.ready;
}

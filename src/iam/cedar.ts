import { createRequire } from "node:module";
import type * as Wasm from "@cedar-policy/cedar-wasm/nodejs";
import { LRUCache } from "lru-cache";

type Module = typeof Wasm;

const load = createRequire(import.meta.url);
const entry = load.resolve("@cedar-policy/cedar-wasm/nodejs");

/** Cedar has broken off, as it does of expressions that are nested too deeply for its stack. */
export class CedarFault extends Error {
  override readonly name = "CedarFault";
}

/**
 * One Cedar, with memory of its own. A fault leaves that in pieces, so the next call begins with a new
 * one.
 */
export class Cedar {
  #module: Module | undefined;
  readonly #onReset: () => void;

  /** @param onReset told when all that was prepared is gone */
  constructor(onReset: () => void = () => {}) {
    this.#onReset = onReset;
  }

  /** @throws CedarFault, or what `work` throws */
  call<T>(work: (module: Module) => T): T {
    this.#module ??= freshModule();
    try {
      return work(this.#module);
    } catch (error) {
      const isFault = error instanceof RangeError || (error as Error).name === "RuntimeError";
      if (!isFault) throw error;
      this.#module = undefined;
      this.#onReset();
      throw new CedarFault("Cedar has broken off", { cause: error });
    }
  }
}

function freshModule(): Module {
  delete load.cache[entry];
  return load(entry) as Module;
}

/**
 * Cedar never lets go of what it has prepared, only of what has the same name. So names are few, and
 * those that were not used for the longest are given to others.
 */
export class PreparedNames {
  readonly #prefix: string;
  readonly #names: LRUCache<string, string>;
  readonly #free: string[] = [];
  #made = 0;

  constructor(prefix: string, max: number) {
    this.#prefix = prefix;
    this.#names = new LRUCache({ max, dispose: (name) => this.#free.push(name) });
  }

  /** @param prepare prepares what `key` stands for under a name */
  get(key: string, prepare: (name: string) => void): string {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    // Makes room first, so that there are never more names than may be.
    if (this.#names.size >= this.#names.max) this.#names.pop();
    const name = this.#free.pop() ?? `${this.#prefix}${this.#made++}`;
    try {
      prepare(name);
    } catch (error) {
      this.#free.push(name);
      throw error;
    }
    this.#names.set(key, name);
    return name;
  }

  clear(): void {
    this.#names.clear();
  }
}

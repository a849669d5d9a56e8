import { LRUCache } from "lru-cache";

const maxValues = 20_000;

/**
 * Values that many credentials have alike, such as the name of their organization: each is kept once,
 * and known by a text that says all of it. They must not be changed.
 */
export class SharedValues<T extends object | string> {
  readonly #values = new LRUCache<string, T>({ max: maxValues });

  get(text: string, make: () => T): T {
    let value = this.#values.get(text);
    if (value === undefined) {
      value = make();
      this.#values.set(text, value);
    }
    return value;
  }
}

import { LRUCache } from "lru-cache";

const maxBytes = 16 * 1024 * 1024;

/**
 * Values that many credentials have alike, such as the name of their organization: each is kept once,
 * and known by a text that says all of it. They must not be changed.
 */
export class SharedValues<T extends object | string> {
  readonly #values: LRUCache<string, T>;

  /** @param bytesOf about what a value takes of memory, besides its text */
  constructor(bytesOf: (value: T) => number = () => 100) {
    this.#values = new LRUCache<string, T>({
      maxSize: maxBytes,
      sizeCalculation: (value, text) => 200 + 2 * text.length + Math.ceil(bytesOf(value)),
    });
  }

  get(text: string, make: () => T): T {
    let value = this.#values.get(text);
    if (value === undefined) {
      value = make();
      this.#values.set(text, value);
    }
    return value;
  }
}

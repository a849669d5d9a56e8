/** An event whose bytes have another hash than the tree has for it. */
export interface ChangedEvent {
  sequence: number;
  /** The hash of the bytes that are there. */
  hash: Buffer;
}

const hashLength = 32;

/** What is kept of the events of an export to judge them together: their numbers, and the tree's hashes. */
export class ReceivedEvents {
  readonly sequences: number[] = [];
  readonly changed: ChangedEvent[] = [];
  #hashes = Buffer.alloc(1_024 * hashLength);

  /**
   * @param stated the leaf's hash as the tree has it
   * @param computed the hash of the bytes that are there
   */
  add(sequence: number, stated: Buffer, computed: Buffer): void {
    const offset = this.sequences.length * hashLength;
    if (offset === this.#hashes.length) {
      this.#hashes = Buffer.concat([this.#hashes], this.#hashes.length * 2);
    }
    stated.copy(this.#hashes, offset);
    this.sequences.push(sequence);
    if (!stated.equals(computed)) this.changed.push({ sequence, hash: computed });
  }

  /** The highest number; 0 when there are no events. */
  get last(): number {
    return this.sequences.reduce((last, each) => Math.max(last, each), 0);
  }

  /** The tree's hashes from this event on, up to where a number is missing. */
  *leaves(first: number): Generator<Buffer, void, undefined> {
    const { sequences } = this;
    if (isConsecutive(sequences, first)) {
      for (let at = 0; at < sequences.length; at++) yield this.#hash(at);
      return;
    }
    const places = this.#places();
    for (let next = first; ; next++) {
      const at = places.get(next);
      if (at === undefined) return;
      yield this.#hash(at);
    }
  }

  /** Tells which event has this hash in the tree. */
  byHash(): (hash: Buffer) => number | undefined {
    const key = (hash: Buffer) => hash.toString("latin1");
    const events = new Map(this.sequences.map((sequence, at) => [key(this.#hash(at)), sequence]));
    return (hash) => events.get(key(hash));
  }

  /** Where each number stands; of two, the first one. */
  #places(): Map<number, number> {
    return new Map(this.sequences.map((sequence, at) => [sequence, at] as const).reverse());
  }

  #hash(at: number): Buffer {
    return this.#hashes.subarray(at * hashLength, (at + 1) * hashLength);
  }
}

/** Whether the numbers are all there, once and in order. */
export function isConsecutive(sequences: readonly number[], first: number): boolean {
  return sequences.every((sequence, at) => sequence === first + at);
}

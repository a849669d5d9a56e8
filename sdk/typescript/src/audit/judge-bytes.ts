import { type AuditFinding, eventsAre, finding } from "./findings.ts";
import type { ReceivedEvents } from "./received-events.ts";

/** Where the bytes that stand at a number belong; undefined when they belong nowhere. */
interface Placed {
  sequence: number;
  origin: number | undefined;
}

/** Finds what was done to the bytes of events that do not have the hash which the tree has for them. */
export function judgeBytes(events: ReceivedEvents): AuditFinding[] {
  const { changed } = events;
  if (changed.length === 0) return [];
  const eventOf = events.byHash();
  const placed = changed
    .map(({ sequence, hash }): Placed => ({ sequence, origin: eventOf(hash) }))
    .sort((a, b) => a.sequence - b.sequence);
  return [...new Displacements(placed, events.last).findings()];
}

/** Tells deleted, inserted, swapped and changed events apart by where the bytes of the others have gone. */
class Displacements {
  readonly #placed: readonly Placed[];
  readonly #origins: Map<number, number | undefined>;
  /** Where the bytes of an event are now. */
  readonly #places: Map<number | undefined, number>;
  readonly #last: number;

  constructor(placed: readonly Placed[], last: number) {
    this.#placed = placed;
    this.#last = last;
    this.#origins = new Map(placed.map(({ sequence, origin }) => [sequence, origin]));
    this.#places = new Map(placed.map(({ sequence, origin }) => [origin, sequence]));
  }

  *findings(): Generator<AuditFinding> {
    // What follows from a finding is not found again: the rest of what was put in, and all that has moved.
    let [shift, next] = [0, 0];
    for (const { sequence, origin } of this.#placed) {
      if (sequence < next || (shift !== 0 && this.#hasMoved(sequence, origin, shift))) continue;
      const place = this.#places.get(sequence);
      shift = this.#shiftFrom(sequence, origin, place);
      next = sequence + Math.max(0, -shift);
      yield* this.#found(sequence, origin, place, shift);
    }
  }

  #hasMoved(sequence: number, origin: number | undefined, shift: number): boolean {
    const from = sequence + shift;
    // The number that it had at the end is not there any more, nor is its hash.
    return origin === from || (origin === undefined && from > this.#last);
  }

  /** How far the bytes of what follows were moved: less than 0 behind what was put in. */
  #shiftFrom(sequence: number, origin: number | undefined, place: number | undefined): number {
    const isDisplaced = origin !== undefined && this.#origins.has(origin);
    if (!isDisplaced && place !== undefined && place > sequence) return sequence - place;
    const isGone = place === undefined && isDisplaced && origin > sequence;
    return isGone ? origin - sequence : 0;
  }

  *#found(
    sequence: number,
    origin: number | undefined,
    place: number | undefined,
    shift: number,
  ): Generator<AuditFinding> {
    const [last, behind] = [
      sequence + Math.abs(shift) - 1,
      "and what was behind has other numbers",
    ];
    if (shift < 0) {
      yield finding("inserted", `${eventsAre(sequence, last)} put in, ${behind}.`, sequence);
    } else if (shift > 0) {
      yield finding("deleted", `${eventsAre(sequence, last)} taken out, ${behind}.`, sequence);
    } else if (origin === undefined) {
      const message = `The bytes of event ${sequence} are not those that were recorded.`;
      yield finding("changed", message, sequence);
    } else if (place !== origin) {
      const message = `At the number ${sequence} are the bytes of event ${origin}.`;
      yield finding("swapped", message, sequence);
    } else if (origin > sequence) {
      yield finding("swapped", `Events ${sequence} and ${origin} are swapped.`, sequence);
    }
  }
}

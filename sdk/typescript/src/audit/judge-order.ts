import { type AuditFinding, eventsAre, finding } from "./findings.ts";
import { isConsecutive } from "./received-events.ts";

/**
 * Finds what the numbers tell by themselves.
 * @param sequences in the order of the export
 * @param first the number that it begins with
 * @param size how many events the log has
 */
export function judgeOrder(
  sequences: readonly number[],
  first: number,
  size: number,
): AuditFinding[] {
  if (isConsecutive(sequences, first) && first + sequences.length - 1 === size) return [];
  const sorted = sequences.toSorted((a, b) => a - b);
  return [
    ...gaps(sorted, first, size),
    ...repeated(sorted),
    ...strays(sorted, first, size),
    ...outOfOrder(sequences),
  ];
}

function* gaps(sorted: readonly number[], first: number, size: number): Generator<AuditFinding> {
  let next = first;
  for (const sequence of [...sorted, size + 1]) {
    const to = Math.min(sequence, size + 1) - 1;
    if (to >= next) yield finding("gap", `${eventsAre(next, to)} missing.`, next);
    next = Math.max(next, sequence + 1);
  }
}

function* repeated(sorted: readonly number[]): Generator<AuditFinding> {
  for (const [at, sequence] of sorted.entries()) {
    if (sequence !== sorted[at - 1]) continue;
    yield finding("inserted", `There is another event with the number ${sequence}.`, sequence);
  }
}

function* strays(sorted: readonly number[], first: number, size: number): Generator<AuditFinding> {
  for (const sequence of sorted) {
    if (sequence >= first && sequence <= size) continue;
    const message = `Event ${sequence} is not among the events ${first} to ${size} of the log.`;
    yield finding("inserted", message, sequence);
  }
}

function* outOfOrder(sequences: readonly number[]): Generator<AuditFinding> {
  let highest = 0;
  for (const sequence of sequences) {
    if (sequence < highest) {
      yield finding("swapped", `Event ${sequence} stands behind event ${highest}.`, sequence);
    }
    highest = Math.max(highest, sequence);
  }
}

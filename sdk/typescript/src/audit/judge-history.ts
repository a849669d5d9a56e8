import { type AuditFinding, eventsAre, finding } from "./findings.ts";
import { CompactRange } from "./merkle.ts";
import type { ReceivedEvents } from "./received-events.ts";
import type { VerifiedHead } from "./tree-head.ts";

/** A checkpoint that was saved, and is signed by the log. */
export interface NamedHead extends VerifiedHead {
  name: string;
}

/**
 * Holds the events to what the log has signed, now and before.
 * @param before the tree of the events before the first one
 * @param head the end of the export
 * @param saved checkpoints of the same log and organization
 */
export function judgeHistory(
  events: ReceivedEvents,
  before: CompactRange,
  head: VerifiedHead,
  saved: readonly NamedHead[],
): AuditFinding[] {
  const first = before.size + 1;
  const sizes = new Set([head, ...saved].map(({ organization }) => organization.size));
  const roots = rootsOf(events, before, sizes);
  const own = judgeOwn(roots.get(head.organization.size), head, first);
  return [...own, ...saved.flatMap((each) => judgeSaved(each, head, roots, first))];
}

function judgeOwn(root: Buffer | undefined, head: VerifiedHead, first: number): AuditFinding[] {
  const { size, root: signed } = head.organization;
  if (root === undefined) {
    const message = `The log has signed ${size} events, and not all from event ${first} on are there: the others cannot be held to that.`;
    return [finding("unproved", message)];
  }
  if (root.equals(signed)) return [];
  return [finding("rewritten", `${eventsAre(first, size)} not what the log has signed.`)];
}

/** The roots that the tree had at these sizes, as far as there are events. */
function rootsOf(
  events: ReceivedEvents,
  before: CompactRange,
  sizes: ReadonlySet<number>,
): Map<number, Buffer> {
  const tree = CompactRange.of(before.size, before.hashes);
  const roots = new Map<number, Buffer>();
  const note = () => sizes.has(tree.size) && roots.set(tree.size, tree.root());
  note();
  for (const leaf of events.leaves(before.size + 1)) {
    tree.append(leaf);
    note();
  }
  return roots;
}

function judgeSaved(
  saved: NamedHead,
  head: VerifiedHead,
  roots: ReadonlyMap<number, Buffer>,
  first: number,
): AuditFinding[] {
  const { name, organization, checkpoint } = saved;
  const { size } = organization;
  const isSameTree = checkpoint.size === head.checkpoint.size;
  if (isSameTree && !checkpoint.root.equals(head.checkpoint.root)) {
    return [finding("forked", `${name} is of another history: the log has signed both.`)];
  }
  if (size > head.organization.size) {
    const now = head.organization.size;
    const message = `${name} is of ${size} events, the export ends with ${now}: the log was rolled back, or the export is older.`;
    return [finding("rolled-back", message)];
  }
  const root = roots.get(size) ?? (size === head.organization.size && head.organization.root);
  if (root) {
    const message = `${name} is of another history: the first ${size} events were others.`;
    return root.equals(organization.root) ? [] : [finding("forked", message)];
  }
  const why = size < first ? `the export begins with event ${first}` : "events are missing";
  return [finding("unproved", `${name} cannot be held to its ${size} events: ${why}.`)];
}

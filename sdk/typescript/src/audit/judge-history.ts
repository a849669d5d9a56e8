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
  const sizes = new Set([head, ...saved].map(({ organization }) => organization.size));
  const history = { first: before.size + 1, roots: rootsOf(events, before, sizes), head };
  return [...judgeOwn(history), ...saved.flatMap((each) => judgeSaved(each, history))];
}

/** The events of an export, and what is signed of them. */
interface History {
  first: number;
  /** The roots of the events, by the size of the tree. */
  roots: ReadonlyMap<number, Buffer>;
  head: VerifiedHead;
}

function judgeOwn({ first, roots, head }: History): AuditFinding[] {
  const { size, root: signed } = head.organization;
  const root = roots.get(size);
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

function judgeSaved(saved: NamedHead, history: History): AuditFinding[] {
  const { name, organization, checkpoint } = saved;
  const { head } = history;
  const isSameTree = checkpoint.size === head.checkpoint.size;
  const isSameSize = organization.size === head.organization.size;
  const contradicts =
    (isSameTree && !checkpoint.root.equals(head.checkpoint.root)) ||
    (isSameSize && !organization.root.equals(head.organization.root));
  if (contradicts) {
    return [finding("forked", `${name} is of another history: the log has signed both.`)];
  }
  if (organization.size > head.organization.size) {
    const message = `${name} is of ${organization.size} events, the export's of ${head.organization.size}: the log was rolled back, or the export is older.`;
    return [finding("rolled-back", message)];
  }
  return isSameSize ? [] : judgePrefix(saved, history);
}

/** Holds the first events to what was signed when there were no others. */
function judgePrefix({ name, organization }: NamedHead, history: History): AuditFinding[] {
  const { first, roots, head } = history;
  const { size, root } = organization;
  const own = roots.get(size);
  if (own === undefined) {
    const why = size < first ? `the export begins with event ${first}` : "events are missing";
    return [finding("unproved", `${name} cannot be held to its ${size} events: ${why}.`)];
  }
  if (own.equals(root)) return [];
  // Only where the events themselves are signed has the log signed two histories.
  if (roots.get(head.organization.size)?.equals(head.organization.root)) {
    const message = `${name} is of another history: the first ${size} events were others, and the log has signed both.`;
    return [finding("forked", message)];
  }
  return [finding("rewritten", `The first ${size} events are not those of ${name}.`)];
}

import type {
  AuditExportDropped,
  AuditExportEnd,
  AuditExportEvent,
  AuditExportStart,
} from "pdaas/audit";
import { consistencyNodes, leafHash, type ProofNode, subtreeNodes } from "../../audit/merkle.ts";
import { rangeOf, readProof } from "../../audit/tiles.ts";
import { Code, ServiceError } from "../../errors.ts";
import type { AuditEventRow } from "../../store/audit-events.ts";
import { findAuditDrop } from "../../store/audit-retention.ts";
import { auditEntriesAfter, strayAuditEntries } from "../../store/audit-tail.ts";
import { instanceTree } from "../../store/audit-trees.ts";
import type { Database } from "../../store/database.ts";
import type { CurrentTree } from "./tree-head.ts";

/** A multiple of the hashes that are stored together. */
const pageSize = 256;

export interface JsonLinesOptions {
  organizationId: string;
  /** The number of the first event. */
  from: number;
  /** What ends with the last event. */
  current: CurrentTree;
  /** Sizes of the instance's tree since which it is to be proven that it has only grown. */
  consistentWith: readonly number[];
}

/** The lines of an export that can be verified without asking anybody: see the SDK's export-line.ts. */
export async function* jsonLines(
  db: Database,
  { organizationId, from, current, consistentWith }: JsonLinesOptions,
): AsyncGenerator<string> {
  const end = line(await endLine(db, organizationId, current, consistentWith));
  if (from > 1) yield line(await startLine(db, organizationId, from));
  let hasEvents = false;
  for (let after = from - 1; after < current.tree.size; ) {
    const upTo = Math.min(after - (after % pageSize) + pageSize, current.tree.size);
    for (const each of await readPage(db, organizationId, after, upTo)) {
      if (hasEvents && "dropped" in each) throw droppedMeanwhile();
      hasEvents ||= !("dropped" in each);
      yield line(each);
    }
    after = upTo;
  }
  // Nobody would learn of them otherwise: whoever verifies the export names them.
  for (const row of await strayAuditEntries(db, organizationId, current.tree.size, pageSize)) {
    yield line(eventLine(row, leafHash(row.entry)));
  }
  yield end;
}

const line = (value: object) => `${JSON.stringify(value)}\n`;
const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64");

async function startLine(
  db: Database,
  organizationId: string,
  from: number,
): Promise<AuditExportStart> {
  const hashes = await readProof(db, organizationId, subtreeNodes(from - 1));
  return { start: { sequence: `${from}`, hashes: hashes.map(base64) } };
}

async function readPage(
  db: Database,
  organizationId: string,
  after: number,
  upTo: number,
): Promise<(AuditExportEvent | AuditExportDropped)[]> {
  const page = { after, upTo, limit: 2 * pageSize };
  const rows = await auditEntriesAfter(db, organizationId, {}, page);
  const leaves: ProofNode[] = Array.from({ length: upTo - after }, (_, i) => [
    { level: 0, index: after + i },
  ]);
  const hashes = await readProof(db, organizationId, leaves);
  // There is one of each, unless somebody has put in another.
  const bySequence = Map.groupBy(rows, ({ sequence }) => sequence);
  const isWhole = bySequence.size === hashes.length;
  const droppedTo = isWhole ? 0 : ((await findAuditDrop(db, organizationId))?.droppedTo ?? 0);
  return hashes.flatMap((hash, i): (AuditExportEvent | AuditExportDropped)[] => {
    const sequence = after + 1 + i;
    const found = bySequence.get(sequence);
    if (found !== undefined) return found.map((row) => eventLine(row, hash));
    // What is missing and was not dropped is left out: whoever verifies the export names it.
    if (sequence > droppedTo) return [];
    return [{ sequence: `${sequence}`, leafHash: base64(hash), dropped: true }];
  });
}

function eventLine(
  { sequence, entry, personal }: AuditEventRow,
  leafHash: Uint8Array,
): AuditExportEvent {
  return {
    sequence: `${sequence}`,
    entry: base64(entry),
    leafHash: base64(leafHash),
    personal,
  };
}

function droppedMeanwhile(): ServiceError {
  return new ServiceError(
    Code.aborted,
    "AUDIT_EXPORT_OUTDATED",
    "Events were dropped, as your organization keeps them no longer, while they were exported. Export again.",
  );
}

async function endLine(
  db: Database,
  organizationId: string,
  { tree, head, instanceSize }: CurrentTree,
  consistentWith: readonly number[],
): Promise<AuditExportEnd> {
  const consistency: AuditExportEnd["consistency"] = [];
  for (const size of consistentWith) {
    const proof = await readProof(db, instanceTree, consistencyNodes(size, instanceSize));
    consistency.push({ size: `${size}`, proof: proof.map(base64) });
  }
  return {
    checkpoint: head.checkpoint ?? "",
    organization: {
      id: organizationId,
      size: `${tree.size}`,
      root: base64(rangeOf(tree).root()),
      leafIndex: `${tree.leaf_index}`,
      leaf: base64(head.leaf ?? new Uint8Array()),
      inclusionProof: (head.inclusion ?? []).map(base64),
    },
    ...(consistency.length > 0 && { consistency }),
  };
}

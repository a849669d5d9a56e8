import { fromBinary } from "@bufbuild/protobuf";
import { AuditEntrySchema } from "../../../../gen/pdaas/v1/audit_entry_pb.ts";
import { type AuditFinding, eventsAre, finding } from "./findings.ts";

/**
 * How far retention had dropped the log, as an entry of it says.
 * @returns 0 when it says nothing of it
 */
export function saidDropped(bytes: Uint8Array): number {
  try {
    const { action, changes } = fromBinary(AuditEntrySchema, bytes);
    if (action !== "DropAuditEntries") return 0;
    const change = changes.find(({ field }) => field === "audit_dropped_to");
    return Number(/^"(\d{1,15})"$/.exec(change?.after ?? "")?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Holds what is left out to what the log itself says: else whoever passes an export on could leave out its
 * first events.
 * @param said how far the log says that it was dropped
 */
export function judgeDropped(first: number, droppedTo: number, said: number): AuditFinding[] {
  if (droppedTo <= said) return [];
  const from = Math.max(first, said + 1);
  const message = `${eventsAre(from, droppedTo)} left out as dropped by retention, and the log does not say so.`;
  return [finding("unproved", message, from)];
}

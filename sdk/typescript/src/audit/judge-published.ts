import type { Checkpoint } from "./checkpoint.ts";
import { type AuditFinding, finding } from "./findings.ts";
import { verifyConsistency } from "./merkle-proofs.ts";

/**
 * Holds a published checkpoint, which says nothing of one organization alone, to that of the export.
 * @param proofs that the instance's tree has only grown, by the size that it had
 */
export function judgePublished(
  name: string,
  old: Checkpoint,
  now: Checkpoint,
  proofs: ReadonlyMap<number, readonly Uint8Array[]>,
): AuditFinding[] {
  if (old.size > now.size) {
    const message = `${name} is of ${old.size} leaves, the export's of ${now.size}: the log was rolled back, or the export is older.`;
    return [finding("rolled-back", message)];
  }
  if (old.size === now.size && !old.root.equals(now.root)) {
    return [finding("forked", `${name} is of another history: the log has signed both.`)];
  }
  const proof = old.size === now.size ? [] : proofs.get(old.size);
  if (proof === undefined) {
    const message = `${name} is of ${old.size} leaves, and the export does not prove what became of them: export again with that proof.`;
    return [finding("unproved", message)];
  }
  if (verifyConsistency(old.size, old.root, now.size, now.root, proof)) return [];
  const message = `${name} is of another history, or the export's proof for ${old.size} leaves is wrong.`;
  return [finding("forked", message)];
}

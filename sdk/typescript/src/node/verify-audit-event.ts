import { create, fromBinary } from "@bufbuild/protobuf";
import { AuditEntrySchema } from "../../../../gen/pdaas/v1/audit_entry_pb.ts";
import { AuditEventSchema } from "../../../../gen/pdaas/v1/audit_service_pb.ts";
import { judgePersonal } from "../audit/judge-personal.ts";
import { leafHash } from "../audit/merkle.ts";
import { verifyInclusion } from "../audit/merkle-proofs.ts";
import { AuditProofError, type VerifiedHead, verifyTreeHead } from "../audit/tree-head.ts";
import { type AuditEvent, type AuditProof, toAuditEvent } from "../resources/audit-event.ts";

/** An event that is in the log, and what the log has signed for it. */
export interface VerifiedAuditEvent extends VerifiedHead {
  /** The event as it was recorded: made of what is proved, and of nothing else. */
  event: AuditEvent;
}

/**
 * Verifies offline that an event is in the log.
 * @param verifierKeys the keys that the log signs with, as you have got them when you began to trust it
 * @throws NoteSignatureError when the log has not signed the checkpoint
 * @throws AuditProofError when what it has signed does not have the event
 * @throws AuditFormatError when a part of the proof, or a key, breaks its format
 */
export function verifyAuditEvent(
  proof: AuditProof,
  verifierKeys: readonly string[],
): VerifiedAuditEvent {
  const head = verifyTreeHead(proof.head, verifierKeys);
  const { entry, leafIndex, inclusionProof } = proof;
  const { size, root } = head.organization;
  if (!verifyInclusion(leafHash(entry), leafIndex, size, inclusionProof, root)) {
    throw new AuditProofError("The event is not in the organization's tree.");
  }
  return { ...head, event: provenEvent(proof) };
}

function provenEvent({ entry, personal, leafIndex }: AuditProof): AuditEvent {
  const sequence = leafIndex + 1;
  const [wrong] = judgePersonal({ sequence, entry, personal }).findings;
  if (wrong !== undefined) throw new AuditProofError(wrong.message);
  const { changes, $typeName: _, ...fields } = fromBinary(AuditEntrySchema, entry);
  const value = (name: string) => personal.get(name)?.value ?? "";
  return toAuditEvent(
    create(AuditEventSchema, {
      ...fields,
      sequence: BigInt(sequence),
      address: value("address"),
      userAgent: value("user_agent"),
      changes: changes.map(({ field, before, after }) => ({
        field,
        before: before || value(`before.${field}`),
        after: after || value(`after.${field}`),
      })),
    }),
  );
}

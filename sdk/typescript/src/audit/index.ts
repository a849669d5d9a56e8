export {
  type Checkpoint,
  formatCheckpoint,
  type OrganizationRoot,
  organizationLeaf,
  parseCheckpoint,
  parseOrganizationLeaf,
} from "./checkpoint.ts";
export { commitment, saltLength } from "./commitment.ts";
export {
  type AuditExportDropped,
  type AuditExportEnd,
  type AuditExportEvent,
  type AuditExportStart,
  parseExportLine,
  parseSavedCheckpoint,
} from "./export-line.ts";
export type { AuditFinding, AuditFindingKind } from "./findings.ts";
export { AuditFormatError } from "./format.ts";
export { CompactRange, emptyRoot, foldedRoot, leafHash, nodeHash } from "./merkle.ts";
export { verifyConsistency, verifyInclusion } from "./merkle-proofs.ts";
export {
  keyId,
  NoteSignatureError,
  type OpenedNote,
  openNote,
  parseVerifierKey,
  requireName,
  requireNoteText,
  type VerifierKey,
  verifierKey,
} from "./note.ts";
export {
  AuditProofError,
  type TreeHead,
  type VerifiedHead,
  verifyTreeHead,
} from "./tree-head.ts";
export {
  type AuditExportToVerify,
  type AuditVerification,
  verifyAuditExport,
} from "./verify-export.ts";

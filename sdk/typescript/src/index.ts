export * from "./api.ts";
export type { AuditFinding, AuditFindingKind } from "./audit/findings.ts";
export { AuditFormatError } from "./audit/format.ts";
export { NoteSignatureError } from "./audit/note.ts";
export { AuditProofError, type VerifiedHead } from "./audit/tree-head.ts";
export {
  type AuditExportToVerify,
  type AuditVerification,
  verifyAuditExport,
} from "./audit/verify-export.ts";
export { Client } from "./node/client.ts";
export type { ClientOptions } from "./node/settings.ts";
export { type VerifiedAuditEvent, verifyAuditEvent } from "./node/verify-audit-event.ts";
export type { SerializationOptions } from "./signing/body.ts";
export { type SigningOptions, signingInterceptor } from "./signing/connect.ts";
export { type RequestToSign, signRequest } from "./signing/sign-request.ts";
export type { KeySource, SignatureHeaders, SigningKey } from "./signing/signer.ts";

import { base64Encode } from "@bufbuild/protobuf/wire";
import type { AuditExportEnd } from "../audit/export-line.ts";
import type { TreeHead } from "../audit/tree-head.ts";
import { present } from "./plain.ts";

/** What the service has signed of the organization's log, to be kept where the service cannot reach it. */
export interface AuditCheckpoint {
  organizationId: string;
  /** How many events the log has. */
  size: number;
  /** One line of JSON to save: `pdaas audit verify` and `verifyAuditExport` take it. */
  text: string;
  /**
   * The key that it is signed with. Keep the first that you get, and compare: who could forge the log
   * could forge this answer too.
   */
  verifierKey: string;
}

export function toAuditCheckpoint(head: TreeHead, verifierKey: string): AuditCheckpoint {
  const [, id, size, root] = new TextDecoder().decode(head.leaf).split("\n");
  const organizationId = present(id, "organization");
  const end: AuditExportEnd = {
    checkpoint: head.note,
    organization: {
      id: organizationId,
      size: present(size, "size"),
      root: present(root, "root"),
      leafIndex: String(head.leafIndex),
      leaf: base64Encode(head.leaf),
      inclusionProof: head.inclusionProof.map((hash) => base64Encode(hash)),
    },
  };
  return { organizationId, size: Number(size), text: JSON.stringify(end), verifierKey };
}

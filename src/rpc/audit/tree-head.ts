import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AuditTreeHeadSchema } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { organizationLeaf } from "../../audit/checkpoint.ts";
import { inclusionNodes } from "../../audit/merkle.ts";
import { rangeOf, readProof } from "../../audit/tiles.ts";
import { Code, ServiceError } from "../../errors.ts";
import { instanceTree, type OrganizationTree, readHeads } from "../../store/audit-trees.ts";
import type { Database } from "../../store/database.ts";

/** How an organization's tree stands now. */
export interface CurrentTree {
  tree: OrganizationTree;
  /** Of the tree that the checkpoint is of. */
  instanceSize: number;
  head: MessageInitShape<typeof AuditTreeHeadSchema>;
}

/** @throws ServiceError CHECKPOINT_UNAVAILABLE while nothing of the organization has its number */
export async function readTree(db: Database, organizationId: string): Promise<CurrentTree> {
  const { checkpoint, instanceSize, organization: tree } = await readHeads(db, organizationId);
  if (tree === undefined) throw unavailable();
  const { size, leaf_index: leafIndex } = tree;
  const leaf = organizationLeaf({ organizationId, size, root: rangeOf(tree).root() });
  const inclusion = await readProof(db, instanceTree, inclusionNodes(leafIndex, instanceSize));
  return {
    tree,
    instanceSize,
    head: { leaf, leafIndex: BigInt(leafIndex), inclusion, checkpoint },
  };
}

function unavailable(): ServiceError {
  return new ServiceError(
    Code.unavailable,
    "CHECKPOINT_UNAVAILABLE",
    "Your organization's audit log has no checkpoint yet: its first events are being written. Try again shortly.",
    { retryAfterMs: 1_000 },
  );
}

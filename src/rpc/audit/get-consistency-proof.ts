import { type AuditService, AuditTree } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { consistencyNodes } from "../../audit/merkle.ts";
import { readProof } from "../../audit/tiles.ts";
import { invalidFields } from "../../errors.ts";
import { instanceTree, readHeads } from "../../store/audit-trees.ts";
import type { Handler } from "../handler.ts";

export const getConsistencyProof: Handler<typeof AuditService.method.getConsistencyProof> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const heads = await readHeads(app.db, organizationId);
  const isInstance = request.tree === AuditTree.INSTANCE;
  const size = isInstance ? heads.instanceSize : (heads.organization?.size ?? 0);
  const oldSize = within("old_size", request.oldSize, size);
  const newSize = within("new_size", request.newSize, size) || size;
  if (oldSize > newSize) {
    throw invalidFields([{ field: "old_size", description: "must not be above new_size" }]);
  }
  const treeId = isInstance ? instanceTree : organizationId;
  const hashes = await readProof(app.db, treeId, consistencyNodes(oldSize, newSize));
  return { oldSize: BigInt(oldSize), newSize: BigInt(newSize), hashes };
};

function within(field: string, value: bigint, size: number): number {
  if (value <= size) return Number(value);
  const description = `must not be above ${size}, the size that the tree has now`;
  throw invalidFields([{ field, description }]);
}

import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { AuditService } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { erasePersonalData } from "../../store/audit-erasure.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";

export const eraseAuditPersonalData: Handler<
  typeof AuditService.method.eraseAuditPersonalData
> = async (app, call, { principalId, startTime, endTime }) => {
  call.resourceId = principalId;
  const erased = await change(app, call, async (tx) => {
    const count = await erasePersonalData(tx, {
      organizationId: call.principal.organizationId,
      principalId,
      startTime: startTime && timestampDate(startTime),
      endTime: endTime && timestampDate(endTime),
    });
    const after = JSON.stringify(String(count));
    call.changes = [{ field: "erased", before: "", after, isPersonal: false }];
    return count;
  });
  return { erased: BigInt(erased) };
};

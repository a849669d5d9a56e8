import type { PolicyService } from "../../../gen/pdaas/v1/policy_service_pb.ts";
import { listPolicyAttachments as listRows } from "../../store/policy-attachments.ts";
import type { Handler } from "../handler.ts";
import { readPage, sequenceOf, toPage } from "../paging.ts";
import { toPolicyAttachment } from "../resources.ts";

export const listPolicyAttachments: Handler<
  typeof PolicyService.method.listPolicyAttachments
> = async (app, call, request) => {
  const filters = [call.method.action, request.policyId, request.targetId];
  const page = readPage(request, filters);
  const after = page.after === "" ? 0 : sequenceOf(page.after);
  const { limit } = page;
  const rows = await listRows(app.db, call.principal.organizationId, request, { after, limit });
  const { rows: kept, nextPageToken } = toPage(rows, page, filters, (row) => String(row.sequence));
  return { policyAttachments: kept.map(toPolicyAttachment), nextPageToken };
};

import { setImmediate } from "node:timers/promises";
import type { AccessService } from "../../../gen/pdaas/v1/access_service_pb.ts";
import type { Handler } from "../handler.ts";
import { checkAccess, toDecision } from "./check.ts";

export const batchAuthorize: Handler<typeof AccessService.method.batchAuthorize> = async (
  app,
  call,
  { checks },
) => {
  const { requestId, time } = call;
  const asking = { organizationId: call.principal.organizationId, requestId, time };
  const decisions = [];
  for (const check of checks) {
    decisions.push(toDecision(await checkAccess(app.db, asking, check)));
    await setImmediate();
  }
  return { decisions };
};

import type { AccessService } from "../../../gen/pdaas/v1/access_service_pb.ts";
import type { Handler } from "../handler.ts";
import { invalid } from "./application-entities.ts";
import { checkAccess, toDecision } from "./check.ts";

export const authorize: Handler<typeof AccessService.method.authorize> = async (
  app,
  call,
  { check },
) => {
  if (check === undefined) throw invalid("check", "is missing");
  const { requestId, time } = call;
  const { organizationId } = call.principal;
  const checked = await checkAccess(app.db, { organizationId, requestId, time }, check);
  return { decision: toDecision(checked) };
};

import type { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import { endSession } from "../../store/sessions.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";

export const logout: Handler<typeof AuthService.method.logout> = async (app, call) => {
  call.resourceId = call.principal.sessionId;
  await change(app, call, (tx) => endSession(tx, call.principal.sessionId));
  return {};
};

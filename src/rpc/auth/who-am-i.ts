import type { AuthService } from "../../../gen/pdaas/v1/auth_service_pb.ts";
import type { Handler } from "../handler.ts";
import { toPrincipal } from "../resources.ts";

export const whoAmI: Handler<typeof AuthService.method.whoAmI> = async (_app, call) => ({
  principal: toPrincipal(call.principal),
});

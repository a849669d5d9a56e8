import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { Code, ServiceError } from "../../errors.ts";
import { updateApiKey } from "../../store/api-keys.ts";
import { change } from "../change.ts";
import { ensureMayEmpower } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { recordApiKey } from "../record.ts";
import { toApiKey } from "../resources.ts";
import { ensureNotRevoked, lockKey, toEmpowered, unchanged } from "./lock-api-key.ts";
import { ensureWithin, keyEmpowered, ownLimits } from "./own-limits.ts";

export const enableApiKey: Handler<typeof ApiKeyService.method.enableApiKey> = async (
  app,
  call,
  request,
) => {
  const row = await change(app, call, async (tx) => {
    const { key, owner } = await lockKey(tx, call, request);
    // To give a key its power back is to hand out what it may do.
    await ensureMayEmpower(tx, call, toEmpowered(key));
    const own = await ownLimits(tx, call);
    ensureWithin(own, keyEmpowered(own, { key, owner }));
    ensureNotRevoked(key);
    if (key.disable_time === null) return unchanged(tx, key);
    if (key.leak_time !== null && !request.force) throw leaked();
    return recordApiKey(call, key, await updateApiKey(tx, key, { disable_time: null }));
  });
  return { apiKey: toApiKey(row) };
};

function leaked(): ServiceError {
  return new ServiceError(
    Code.failedPrecondition,
    "API_KEY_LEAKED",
    "The key was reported as leaked, so others may have its secret. Replace it with RotateApiKey, or set force to enable it all the same.",
  );
}

import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { updateApiKey } from "../../store/api-keys.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordApiKey } from "../record.ts";
import { toApiKey } from "../resources.ts";
import { lockKey, unchanged } from "./lock-api-key.ts";

export const revokeApiKey: Handler<typeof ApiKeyService.method.revokeApiKey> = async (
  app,
  call,
  request,
) => {
  const row = await change(app, call, async (tx) => {
    const { key } = await lockKey(tx, call, request);
    if (key.revoke_time !== null) return unchanged(tx, key);
    const changes = { revoke_time: new Date(), revoke_reason: request.reason };
    return recordApiKey(call, key, await updateApiKey(tx, key, changes));
  });
  return { apiKey: toApiKey(row) };
};

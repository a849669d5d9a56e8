import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { updateApiKey } from "../../store/api-keys.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordApiKey } from "../record.ts";
import { toApiKey } from "../resources.ts";
import { ensureNotRevoked, lockKey, unchanged } from "./lock-api-key.ts";

export const disableApiKey: Handler<typeof ApiKeyService.method.disableApiKey> = async (
  app,
  call,
  request,
) => {
  const row = await change(app, call, async (tx) => {
    const { key } = await lockKey(tx, call, request);
    ensureNotRevoked(key);
    if (key.disable_time !== null) return unchanged(tx, key);
    return recordApiKey(call, key, await updateApiKey(tx, key, { disable_time: new Date() }));
  });
  return { apiKey: toApiKey(row) };
};

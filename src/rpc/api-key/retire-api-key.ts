import { durationMs } from "@bufbuild/protobuf/wkt";
import { type ApiKeyService, ApiKeyState } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { updateApiKey } from "../../store/api-keys.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordApiKey } from "../record.ts";
import { apiKeyState, toApiKey } from "../resources.ts";
import { defaultQuietMs, ensureQuiet } from "./in-use.ts";
import { ensureNotRevoked, lockKey, unchanged } from "./lock-api-key.ts";
import { isReplaced, notRotated } from "./replaced.ts";

export const retireApiKey: Handler<typeof ApiKeyService.method.retireApiKey> = async (
  app,
  call,
  request,
) => {
  const quietMs = request.quietPeriod ? durationMs(request.quietPeriod) : defaultQuietMs;
  await app.usage.flush();
  const row = await change(app, call, async (tx) => {
    const { key } = await lockKey(tx, call, request);
    ensureNotRevoked(key);
    if (!(await isReplaced(tx, key, "honoured"))) throw notRotated();
    const used = await unchanged(tx, key);
    if (apiKeyState(key, Date.now()) === ApiKeyState.EXPIRED) return used;
    if (!request.force) ensureQuiet(used, quietMs);
    return recordApiKey(call, key, await updateApiKey(tx, key, { retire_time: new Date() }));
  });
  return { apiKey: toApiKey(row) };
};

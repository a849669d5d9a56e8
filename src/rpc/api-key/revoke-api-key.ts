import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { notFound } from "../../errors.ts";
import { revokeApiKey as revokeRow } from "../../store/api-keys.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { toApiKey } from "../resources.ts";

export const revokeApiKey: Handler<typeof ApiKeyService.method.revokeApiKey> = async (
  app,
  call,
  request,
) => {
  const row = await change(app, call, async (tx) => {
    const revoked = await revokeRow(tx, call.principal.organizationId, request.apiKeyId);
    if (revoked === undefined) throw notFound("API key", request.apiKeyId);
    return revoked;
  });
  return { apiKey: toApiKey(row) };
};

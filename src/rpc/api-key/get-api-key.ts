import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { notFound } from "../../errors.ts";
import { findApiKey } from "../../store/api-keys.ts";
import type { Handler } from "../handler.ts";
import { toApiKey } from "../resources.ts";

export const getApiKey: Handler<typeof ApiKeyService.method.getApiKey> = async (
  app,
  call,
  request,
) => {
  const row = await findApiKey(app.db, call.principal.organizationId, request.apiKeyId);
  if (row === undefined) throw notFound("API key", request.apiKeyId);
  return { apiKey: toApiKey(row) };
};

import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { notFound } from "../../errors.ts";
import { listAddressUses, listDailyUses } from "../../store/api-key-uses.ts";
import { findApiKey } from "../../store/api-keys.ts";
import type { Handler } from "../handler.ts";
import { toApiKeyUse } from "../resources.ts";

const defaultDays = 30;
const maxAddresses = 100;

export const getApiKeyUsage: Handler<typeof ApiKeyService.method.getApiKeyUsage> = async (
  app,
  call,
  request,
) => {
  const key = await findApiKey(app.db, call.principal.organizationId, request.apiKeyId);
  if (key === undefined) throw notFound("API key", request.apiKeyId);
  const dailyUses = await listDailyUses(app.db, key.id, request.days || defaultDays);
  const addressUses = await listAddressUses(app.db, key.id, maxAddresses);
  return {
    ...(key.last_use && { lastUse: toApiKeyUse(key.last_use) }),
    dailyUses: dailyUses.map(({ date, calls }) => ({ date, calls: BigInt(calls) })),
    addressUses: addressUses.map(({ address, calls, last_time }) => ({
      address,
      calls: BigInt(calls),
      lastTime: timestampFromDate(last_time),
    })),
  };
};

import { notFound } from "../../errors.ts";
import { type ApiKeyRow, findApiKey } from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import type { Call } from "../call.ts";

/** The key that has signed a call, whose own limits bind all that it makes; undefined for a user's. */
export async function callingKey(tx: Transaction, call: Call): Promise<ApiKeyRow | undefined> {
  const { apiKeyId, organizationId } = call.principal;
  if (apiKeyId === "") return undefined;
  const key = await findApiKey(tx, organizationId, apiKeyId);
  if (key === undefined) throw notFound("API key", apiKeyId);
  return key;
}

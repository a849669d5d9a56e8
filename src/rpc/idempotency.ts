import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";
import { Code, ServiceError } from "../errors.ts";
import type { Transaction } from "../store/database.ts";
import { claimRequest } from "../store/idempotent-requests.ts";
import type { Call } from "./call.ts";

/**
 * Makes the retry of a creation safe. Without a request id every request is the first.
 * @param resourceId what the request creates, if it is the first
 * @returns the identifier that stands, and whether the request is a repetition
 * @throws ServiceError REQUEST_ID_REUSED when the id came with another request before
 */
export async function claim<Desc extends DescMessage>(
  tx: Transaction,
  call: Call,
  schema: Desc,
  request: MessageShape<Desc> & { requestId: string },
  resourceId: string,
): Promise<{ resourceId: string; repeated: boolean }> {
  if (request.requestId === "") return { resourceId, repeated: false };
  const hash = createHash("sha256").update(canonicalText(schema, request)).digest();
  const claimed = await claimRequest(tx, {
    organization_id: call.principal.organizationId,
    // A key's own: another key of its service account may be held to narrower limits.
    principal_id: call.principal.apiKeyId || call.principal.id,
    action: call.method.action,
    request_id: request.requestId,
    request_hash: hash,
    resource_id: resourceId,
  });
  if (!claimed.request_hash.equals(hash)) {
    throw new ServiceError(
      Code.invalidArgument,
      "REQUEST_ID_REUSED",
      "This request_id came with a different request before. Use a new one for a new request.",
    );
  }
  return { resourceId: claimed.resource_id, repeated: claimed.repeated };
}

/** The same for all messages that are equal: a serialised message's maps have no order of their own. */
function canonicalText<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): string {
  return JSON.stringify(toJson(schema, message), (_, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

import type { ApiKeyService } from "../../../gen/pdaas/v1/api_key_service_pb.ts";
import { secretFingerprint } from "../../auth/sealing.ts";
import { throttleLeakReport } from "../../auth/throttle.ts";
import { Code, invalidFields, ServiceError } from "../../errors.ts";
import { isSecretKey, withoutSecrets } from "../../ids.ts";
import {
  type ApiKeyRow,
  findApiKeyByFingerprint,
  lockApiKey,
  updateApiKey,
} from "../../store/api-keys.ts";
import type { Transaction } from "../../store/database.ts";
import type { Call } from "../call.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { recordApiKey } from "../record.ts";
import { apiKeyState } from "../resources.ts";

export const reportLeakedKey: Handler<typeof ApiKeyService.method.reportLeakedKey> = async (
  app,
  call,
  request,
) => {
  if (!isSecretKey(request.secretKey)) throw noSecretKey();
  const throttle = await throttleLeakReport(app.db, call.address);
  const fingerprint = secretFingerprint(app.masterKey, request.secretKey);
  const found = await findApiKeyByFingerprint(app.db, fingerprint);
  if (found === undefined) throw nobodys();
  // Nothing is left to do. A secret that is known to everybody must not be able to keep the service busy.
  if (isStopped(found)) return toReport(found);
  await throttle.forgive();
  call.resourceId = found.id;
  const { organization_id: organizationId, id: apiKeyId } = found;
  call.claimant = { organizationId, apiKeyId };
  const row = await change(
    app,
    call,
    (tx) => disable(tx, call, found, request.source),
    () => ({
      organizationId,
      principal: undefined,
      apiKeyId,
    }),
  );
  return toReport(row);
};

function toReport(row: ApiKeyRow) {
  return { accessKey: row.access_key, state: apiKeyState(row, Date.now()) };
}

function isStopped({ revoke_time, leak_time, disable_time }: ApiKeyRow): boolean {
  return revoke_time !== null || (leak_time !== null && disable_time !== null);
}

/** The first report stands: it is the one that has stopped the key. */
async function disable(
  tx: Transaction,
  call: Call,
  found: ApiKeyRow,
  source: string,
): Promise<ApiKeyRow> {
  const key = await lockApiKey(tx, found.organization_id, found.id);
  if (key === undefined) throw nobodys();
  if (isStopped(key)) return key;
  const now = new Date();
  const disabled = await updateApiKey(tx, key, {
    leak_time: key.leak_time ?? now,
    leak_source: key.leak_source || withoutSecrets(source),
    disable_time: key.disable_time ?? now,
  });
  return recordApiKey(call, key, disabled);
}

function noSecretKey(): ServiceError {
  const description =
    "its checksum does not hold, so it is no secret key of this service; check that it is complete";
  return invalidFields([{ field: "secret_key", description }]);
}

function nobodys(): ServiceError {
  return new ServiceError(
    Code.notFound,
    "RESOURCE_NOT_FOUND",
    "No API key of this service has this secret, so there is nothing to disable. Check that it was issued here.",
  );
}

import { dataKeyContext, secretContext, secretFingerprint, unseal } from "../auth/sealing.ts";
import { listUnfingerprinted, setFingerprint, type UnfingerprintedRow } from "../store/api-keys.ts";
import type { App } from "./app.ts";

const batchSize = 500;

/** Makes keys that were issued before there were fingerprints known by their secrets too. */
export async function fingerprintSecrets(app: App): Promise<void> {
  let after = "";
  for (;;) {
    const rows = await listUnfingerprinted(app.db, { after, limit: batchSize });
    for (const row of rows) await fingerprint(app, row);
    if (rows.length < batchSize) return;
    after = rows.at(-1)?.id ?? "";
  }
}

async function fingerprint(app: App, row: UnfingerprintedRow): Promise<void> {
  const { id, organization_id: organizationId } = row;
  try {
    const dataKeyAad = dataKeyContext(organizationId);
    const dataKey = unseal(app.masterKey.key, row.sealed_data_key, dataKeyAad);
    const context = secretContext(organizationId, id, row.secret_version);
    const secretKey = unseal(dataKey, row.sealed_secret, context).toString();
    await setFingerprint(app.db, id, secretFingerprint(app.masterKey, secretKey));
  } catch (error) {
    app.log.warn({ err: error, apiKeyId: id }, "fingerprint not made");
  }
}

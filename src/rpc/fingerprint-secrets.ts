import { dataKeyContext, secretContext, secretFingerprint, unseal } from "../auth/sealing.ts";
import { listUnfingerprinted, setFingerprint } from "../store/api-keys.ts";
import type { App } from "./app.ts";

const batchSize = 500;

/** Makes keys that were issued before there were fingerprints known by their secrets too. */
export async function fingerprintSecrets(app: App): Promise<void> {
  let rows = await listUnfingerprinted(app.db, batchSize);
  while (rows.length > 0) {
    for (const row of rows) {
      const { id, organization_id: organizationId } = row;
      const dataKeyAad = dataKeyContext(organizationId);
      const dataKey = unseal(app.masterKey.key, row.sealed_data_key, dataKeyAad);
      const context = secretContext(organizationId, id, row.secret_version);
      const secretKey = unseal(dataKey, row.sealed_secret, context).toString();
      await setFingerprint(app.db, id, secretFingerprint(app.masterKey, secretKey));
    }
    rows = await listUnfingerprinted(app.db, batchSize);
  }
}

import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { randomBase62 } from "../ids.ts";
import { type AuditKeyRow, findAuditKey, insertFirstAuditKey } from "../store/audit-keys.ts";
import type { Database } from "../store/database.ts";
import { auditKeyContext, type MasterKey, seal, unseal } from "./sealing.ts";

/** The Ed25519 key that signs checkpoints, which all replicas share; the first start makes it. */
export async function openCheckpointKey(db: Database, masterKey: MasterKey): Promise<KeyObject> {
  let row = await findAuditKey(db);
  if (row === undefined) {
    await insertFirstAuditKey(db, newKey(masterKey));
    row = await findAuditKey(db);
  }
  if (row === undefined) throw new Error("the key of the audit log was not stored");
  const der = unseal(masterKey.key, row.sealed_private_key, auditKeyContext(row.id));
  return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

function newKey(masterKey: MasterKey): AuditKeyRow {
  const id = `ak_${randomBase62(16)}`;
  const der = generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" });
  return { id, sealed_private_key: seal(masterKey.key, der, auditKeyContext(id)) };
}

import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";

const formatVersion = 1;
const ivBytes = 12;
const tagBytes = 16;

/** The key that seals the data keys of all organizations. */
export interface MasterKey {
  /** `mk_` and 12 hexadecimal digits that tell master keys apart and nothing else about them. */
  readonly id: string;
  readonly key: Buffer;
}

/** @param key 32 bytes */
export function masterKeyFrom(key: Buffer): MasterKey {
  if (key.length !== 32) {
    throw new Error(`The master key has ${key.length} bytes; it must have 32.`);
  }
  const digest = createHash("sha256").update("pdaas master key id\0").update(key).digest("hex");
  return { id: `mk_${digest.slice(0, 12)}`, key };
}

/** A new random 32-byte key. */
export function newDataKey(): Buffer {
  return randomBytes(32);
}

/**
 * AES-256-GCM (NIST SP 800-38D) under `key`, bound to `context`: what is sealed for one place
 * opens at no other. Layout: format version (1 byte), IV (12), ciphertext, tag (16).
 */
export function seal(key: Buffer, plaintext: Buffer, context: readonly string[]): Buffer {
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(contextBytes(context));
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([Buffer.of(formatVersion), iv, sealed, cipher.getAuthTag()]);
}

/** @throws Error when the key or the context is another one, or a bit was changed */
export function unseal(key: Buffer, sealed: Buffer, context: readonly string[]): Buffer {
  if (sealed[0] !== formatVersion || sealed.length < 1 + ivBytes + tagBytes) {
    throw new Error(`Sealed data has an unknown format (context: ${context[0]}).`);
  }
  const iv = sealed.subarray(1, 1 + ivBytes);
  const decipher = createDecipheriv("aes-256-gcm", key, iv, { authTagLength: tagBytes })
    .setAAD(contextBytes(context))
    .setAuthTag(sealed.subarray(-tagBytes));
  return Buffer.concat([
    decipher.update(sealed.subarray(1 + ivBytes, -tagBytes)),
    decipher.final(),
  ]);
}

/** Length-prefixed, so that no two lists of strings give the same bytes. */
function contextBytes(context: readonly string[]): Buffer {
  return Buffer.from(context.map((part) => `${Buffer.byteLength(part)}:${part}`).join(""));
}

/** What an organization's data key is bound to. */
export const dataKeyContext = (organizationId: string) => ["data key", organizationId];

/** What the secret of an API key is bound to. */
export const secretContext = (organizationId: string, apiKeyId: string, version: number) => [
  "secret key",
  organizationId,
  apiKeyId,
  String(version),
];

/** What the secret that deliveries to a sink are signed with is bound to. */
export const sinkSecretContext = (organizationId: string, sinkId: string, version: number) => [
  "sink secret",
  organizationId,
  sinkId,
  String(version),
];

/** What the private key that signs access tokens is bound to. */
export const tokenKeyContext = (tokenKeyId: string) => ["token key", tokenKeyId];

/** What the private key that signs checkpoints of the audit log is bound to. */
export const auditKeyContext = (auditKeyId: string) => ["audit key", auditKeyId];

/**
 * What a secret key is found by when somebody reports it as leaked: 16 bytes that tell nothing of it to
 * whoever has not the master key.
 */
export function secretFingerprint({ key }: MasterKey, secretKey: string): Buffer {
  const mac = createHmac("sha256", key).update("secret key fingerprint\0").update(secretKey);
  return mac.digest().subarray(0, 16);
}

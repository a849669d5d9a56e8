import { createPublicKey, type KeyObject, sign } from "node:crypto";
import { keyId, requireName, requireNoteText } from "pdaas/audit";

export { openNote, verifierKey } from "pdaas/audit";

/** Who signs. */
export interface NoteSigner {
  /** The name of the key, which clients know it by. */
  name: string;
  /** Ed25519. */
  privateKey: KeyObject;
}

/**
 * Signs a text, as in c2sp.org/signed-note.
 * @param text ends with a newline
 * @throws AuditFormatError when it cannot be the text of a note, or the name not that of a key
 */
export function signNote(text: string, { name, privateKey }: NoteSigner): string {
  requireNoteText(text);
  requireName(name);
  const { x } = createPublicKey(privateKey).export({ format: "jwk" });
  const id = keyId(name, Buffer.from(x as string, "base64url"));
  const signature = sign(null, Buffer.from(text), privateKey);
  return `${text}\n— ${name} ${Buffer.concat([id, signature]).toString("base64")}\n`;
}

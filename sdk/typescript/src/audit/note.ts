import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { AuditFormatError, fromBase64 } from "./format.ts";

// Notes signed with Ed25519, as in c2sp.org/signed-note.

/** The name of a known key, and the key. */
export interface VerifierKey {
  name: string;
  /** 4 bytes that tell keys of the same name apart. */
  id: Buffer;
  publicKey: KeyObject;
}

/** A note of which at least one known key has signed the text. */
export interface OpenedNote {
  text: string;
  /** The names of the known keys that have signed it. */
  signers: string[];
}

/** No known key has signed the note, or one is said to have and has not. */
export class NoteSignatureError extends Error {
  override readonly name = "NoteSignatureError";
}

/** The type of key and signature: Ed25519. */
const algorithm = Buffer.of(1);
const maxSignatures = 100;

/** The 4 bytes that a signature names its key with. */
export function keyId(name: string, publicKey: Uint8Array): Buffer {
  const hash = createHash("sha256").update(`${name}\n`).update(algorithm).update(publicKey);
  return hash.digest().subarray(0, 4);
}

/** A public key as text: `<name>+<key id>+<key>`. */
export function verifierKey(name: string, publicKey: KeyObject): string {
  requireName(name);
  const raw = Buffer.from(publicKey.export({ format: "jwk" }).x as string, "base64url");
  const key = Buffer.concat([algorithm, raw]).toString("base64");
  return `${name}+${keyId(name, raw).toString("hex")}+${key}`;
}

/** @throws AuditFormatError when it is not the text of an Ed25519 key */
export function parseVerifierKey(text: string): VerifierKey {
  const [, name = "", hex = "", base64 = ""] = /^([^+]*)\+([0-9a-f]{8})\+(.*)$/s.exec(text) ?? [];
  requireName(name);
  const bytes = fromBase64(base64);
  const raw = bytes.subarray(1);
  if (bytes[0] !== algorithm[0] || raw.length !== 32) {
    throw new AuditFormatError("a verifier key is not an Ed25519 key");
  }
  const id = keyId(name, raw);
  if (id.toString("hex") !== hex)
    throw new AuditFormatError("a verifier key is not that of its id");
  const jwk = { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") };
  return { name, id, publicKey: createPublicKey({ key: jwk, format: "jwk" }) };
}

/**
 * Opens a note that one of these keys has signed. Signatures of other keys are ignored.
 * @param verifierKeys texts as `verifierKey` gives them
 * @throws AuditFormatError when it is not a signed note, or a key not a key
 * @throws NoteSignatureError
 */
export function openNote(note: string, verifierKeys: readonly string[]): OpenedNote {
  const keys = verifierKeys.map(parseVerifierKey);
  const { text, signatures } = parseNote(note);
  const signers = new Set<string>();
  for (const { name, id, signature } of signatures) {
    const key = keys.find((known) => known.name === name && known.id.equals(id));
    if (key === undefined) continue;
    if (!verify(null, Buffer.from(text), key.publicKey, signature)) {
      throw new NoteSignatureError(`The signature of ${name} does not fit the text.`);
    }
    signers.add(name);
  }
  if (signers.size === 0) throw new NoteSignatureError("No known key has signed it.");
  return { text, signers: [...signers] };
}

interface Signature {
  name: string;
  id: Buffer;
  signature: Buffer;
}

function parseNote(note: string): { text: string; signatures: Signature[] } {
  requireNoteText(note);
  const end = note.lastIndexOf("\n\n");
  const lines = note
    .slice(end + 2)
    .split("\n")
    .slice(0, -1);
  if (end < 0 || lines.length === 0) throw new AuditFormatError("a note has no signature");
  if (lines.length > maxSignatures) throw new AuditFormatError("a note has too many signatures");
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): Signature {
  const [dash, name = "", base64 = "", ...rest] = line.split(" ");
  const bytes = fromBase64(base64);
  if (dash !== "—" || bytes.length < 5 || rest.length > 0) {
    throw new AuditFormatError("a signature of a note is malformed");
  }
  requireName(name);
  return { name, id: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

/** @throws AuditFormatError when it cannot be the name of a key */
export function requireName(name: string): void {
  if (name === "" || !name.isWellFormed() || /[+\p{White_Space}]/u.test(name)) {
    throw new AuditFormatError("the name of a key is empty, or has a space or a plus");
  }
}

/** @throws AuditFormatError when it cannot be the text of a note */
export function requireNoteText(text: string): void {
  const hasControl = text.split("\n").some((line) => line.search(/[^ -\u{10ffff}]/u) >= 0);
  if (!text.endsWith("\n") || !text.isWellFormed() || hasControl) {
    throw new AuditFormatError("a note is cut off, or has what is not text");
  }
}

import {
  type Checkpoint,
  type OrganizationRoot,
  parseCheckpoint,
  parseOrganizationLeaf,
} from "./checkpoint.ts";
import { leafHash } from "./merkle.ts";
import { verifyInclusion } from "./merkle-proofs.ts";
import { NoteSignatureError, openNote } from "./note.ts";

/** How the tree of an organization stands, and what proves it. */
export interface TreeHead {
  /** The checkpoint of the instance's tree, as a signed note. */
  note: string;
  /** The leaf of the instance's tree that has the root of the organization's. */
  leaf: Uint8Array;
  leafIndex: number;
  inclusionProof: readonly Uint8Array[];
}

/** What a tree head proves. */
export interface VerifiedHead {
  checkpoint: Checkpoint;
  organization: OrganizationRoot;
}

/** A proof does not hold. */
export class AuditProofError extends Error {
  override readonly name = "AuditProofError";
}

/**
 * Checks the signature, and the way from the organization's root to what is signed.
 * @throws NoteSignatureError when the log has not signed it
 * @throws AuditProofError when what it has signed is something else
 * @throws AuditFormatError when a part of it, or a key, breaks its format
 */
export function verifyTreeHead(head: TreeHead, verifierKeys: readonly string[]): VerifiedHead {
  const checkpoint = openCheckpoint(head.note, verifierKeys);
  const { leaf, leafIndex, inclusionProof } = head;
  const { size, root } = checkpoint;
  if (!verifyInclusion(leafHash(leaf), leafIndex, size, inclusionProof, root)) {
    throw new AuditProofError("The organization's tree is not in the tree that was signed.");
  }
  return { checkpoint, organization: parseOrganizationLeaf(leaf) };
}

/**
 * Opens a checkpoint that the log has signed.
 * @throws NoteSignatureError when it has not
 * @throws AuditFormatError when it is none
 */
export function openCheckpoint(note: string, verifierKeys: readonly string[]): Checkpoint {
  const { text, signers } = openNote(note, verifierKeys);
  const checkpoint = parseCheckpoint(text);
  // One log's key is not good for what another one is said to have.
  if (!signers.includes(checkpoint.origin)) {
    throw new NoteSignatureError(`No known key of ${checkpoint.origin} has signed it.`);
  }
  return checkpoint;
}

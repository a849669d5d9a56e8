import { parseOrganizationLeaf } from "./checkpoint.ts";
import { AuditFormatError, fromBase64, fromDecimal, hashFromBase64 } from "./format.ts";
import { type Members, membersOf } from "./members.ts";
import type { TreeHead } from "./tree-head.ts";

// An export of an organization's audit log: JSON objects, one a line, each line ended with a newline.
// First AuditExportStart, if event 1 is not in it; then AuditExportDropped, for what retention has dropped,
// and AuditExportEvent, in the order of the log and without gaps; last AuditExportEnd. The organization's
// tree ends with the last event. Where somebody has been at the database, events are missing, are there
// twice, or come behind the last one. A line has these members and no others. Numbers are decimal texts,
// bytes base64.

/** What the log has before the first event of the export. */
export interface AuditExportStart {
  start: {
    /** The number of the first event that follows, from 2 on. */
    sequence: string;
    /** The roots of the complete subtrees of the events before it, from the largest to the smallest. */
    hashes: string[];
  };
}

/** An event. Sequence numbers begin at 1: it is the leaf `sequence - 1` of the organization's tree. */
export interface AuditExportEvent {
  sequence: string;
  /** The bytes as they were recorded, a serialised AuditEntry. */
  entry: string;
  /**
   * The leaf's hash as the organization's tree has it, and not made of the entry for this line; but for an
   * event that the tree has not.
   */
  leafHash: string;
  /**
   * The personal data that the entry has commitments to: `address`, `user_agent`, and of a field that was
   * changed `before.<field>` and `after.<field>`. What was erased is absent.
   */
  personal: Record<string, { salt: string; value: string }>;
}

/** An event that retention has dropped: nothing but its hash is left of it. Only the first events are such. */
export interface AuditExportDropped {
  sequence: string;
  leafHash: string;
  dropped: true;
}

/** What proves the events. It is also what a client saves as a checkpoint. */
export interface AuditExportEnd {
  /** The signed note that has the root of the instance's tree. */
  checkpoint: string;
  organization: {
    id: string;
    /** How many events the organization's tree has. */
    size: string;
    root: string;
    /** The index of the organization's leaf in the instance's tree. */
    leafIndex: string;
    /** `organizationLeaf` of the id, the size and the root. */
    leaf: string;
    inclusionProof: string[];
  };
  /**
   * Proofs that the instance's tree has only grown since it had these sizes, which whoever has published
   * checkpoints at hand asks for. Absent when none were asked for.
   */
  consistency?: { size: string; proof: string[] }[];
}

/** A line, parsed. */
export type ExportLine =
  | { kind: "start"; sequence: number; hashes: Buffer[] }
  | ({ kind: "event" } & ExportedEvent)
  | { kind: "dropped"; sequence: number; leafHash: Buffer }
  | ({ kind: "end" } & ExportEnd);

export interface ExportedEvent {
  sequence: number;
  entry: Uint8Array;
  leafHash: Buffer;
  personal: ReadonlyMap<string, { salt: Uint8Array; value: string }>;
}

export interface ExportEnd extends TreeHead {
  /** By the size that the instance's tree had. */
  consistency: ReadonlyMap<number, readonly Uint8Array[]>;
}

/** @throws AuditFormatError */
export function parseExportLine(line: string): ExportLine {
  const value = membersOf(line);
  if (value.has("start")) return parseStart(value);
  if (value.has("dropped")) return parseDropped(value);
  return value.has("checkpoint")
    ? { kind: "end", ...parseEnd(value) }
    : { kind: "event", ...parseEvent(value) };
}

/**
 * A checkpoint that was saved: the last line of an export, or the same alone.
 * @throws AuditFormatError
 */
export function parseSavedCheckpoint(text: string): TreeHead {
  return parseEnd(membersOf(text));
}

function parseStart(value: Members): ExportLine {
  const start = value.members("start");
  value.end();
  const sequence = fromDecimal(start.text("sequence"));
  const hashes = start.texts("hashes").map(hashFromBase64);
  start.end();
  return { kind: "start", sequence, hashes };
}

function parseDropped(value: Members): ExportLine {
  const sequence = fromDecimal(value.text("sequence"));
  const leafHash = hashFromBase64(value.text("leafHash"));
  value.mark("dropped");
  value.end();
  return { kind: "dropped", sequence, leafHash };
}

function parseEvent(value: Members): ExportedEvent {
  const sequence = fromDecimal(value.text("sequence"));
  const entry = fromBase64(value.text("entry"));
  const leafHash = hashFromBase64(value.text("leafHash"));
  const fields = value.members("personal");
  value.end();
  const personal = new Map(fields.names.map((name) => [name, parsePersonal(fields.members(name))]));
  return { sequence, entry, leafHash, personal };
}

function parsePersonal(field: Members): { salt: Buffer; value: string } {
  const personal = { salt: fromBase64(field.text("salt")), value: field.text("value") };
  field.end();
  return personal;
}

function parseEnd(value: Members): ExportEnd {
  const note = value.text("checkpoint");
  const organization = value.members("organization");
  const consistency = value.has("consistency") ? value.list("consistency") : [];
  value.end();
  const head = { note, ...parseOrganization(organization) };
  return { ...head, consistency: new Map(consistency.map(parseConsistency)) };
}

function parseOrganization(organization: Members): Omit<TreeHead, "note"> {
  const id = organization.text("id");
  const size = fromDecimal(organization.text("size"));
  const root = hashFromBase64(organization.text("root"));
  const leafIndex = fromDecimal(organization.text("leafIndex"));
  const leaf = fromBase64(organization.text("leaf"));
  const inclusionProof = organization.texts("inclusionProof").map(hashFromBase64);
  organization.end();
  const said = parseOrganizationLeaf(leaf);
  if (said.organizationId !== id || said.size !== size || !said.root.equals(root)) {
    throw new AuditFormatError("the organization's leaf is not that of its id, size and root");
  }
  return { leaf, leafIndex, inclusionProof };
}

function parseConsistency(value: Members): [number, Buffer[]] {
  const size = fromDecimal(value.text("size"));
  const proof = value.texts("proof").map(hashFromBase64);
  value.end();
  return [size, proof];
}

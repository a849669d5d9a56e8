import { AuditFormatError, fromBase64, fromDecimal, hashFromBase64 } from "./format.ts";

// An export of an organization's audit log: JSON objects, one a line, each line ended with a newline.
// First AuditExportStart, if event 1 is not in it; then AuditExportEvent, in the order of the log and
// without gaps; last AuditExportEnd. The organization's tree ends with the last event. A line has these
// members and no others. Numbers are decimal texts, bytes base64.

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
  /** The bytes as they were recorded; the leaf's hash is made of them. Absent when no longer kept. */
  entry?: string;
  /** The leaf's hash, as the organization's tree has it. */
  leafHash: string;
  /**
   * The personal data that the entry has commitments to: `address`, `user_agent`, and of each field that
   * was changed `changes.<field>.before` and `changes.<field>.after`. What was erased is absent.
   */
  personal: Record<string, { salt: string; value: string }>;
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
}

/** A line, parsed. */
export type ExportLine =
  | { kind: "start"; sequence: number; hashes: Buffer[] }
  | ({ kind: "event" } & ExportedEvent)
  | ({ kind: "end" } & SavedCheckpoint);

export interface ExportedEvent {
  sequence: number;
  entry: Buffer | undefined;
  leafHash: Buffer;
  personal: Map<string, { salt: Buffer; value: string }>;
}

export interface SavedCheckpoint {
  /** The signed note. */
  note: string;
  organizationId: string;
  size: number;
  root: Buffer;
  leafIndex: number;
  leaf: Buffer;
  inclusionProof: Buffer[];
}

/** @throws AuditFormatError */
export function parseExportLine(line: string): ExportLine {
  const value = new Members(json(line));
  if (value.has("start")) return parseStart(value);
  return value.has("checkpoint")
    ? { kind: "end", ...parseEnd(value) }
    : { kind: "event", ...parseEvent(value) };
}

/**
 * A checkpoint that was saved: the last line of an export, or the same alone.
 * @throws AuditFormatError
 */
export function parseSavedCheckpoint(text: string): SavedCheckpoint {
  return parseEnd(new Members(json(text)));
}

function parseStart(value: Members): ExportLine {
  const start = value.members("start");
  value.end();
  const sequence = fromDecimal(start.text("sequence"));
  const hashes = start.texts("hashes").map(hashFromBase64);
  start.end();
  return { kind: "start", sequence, hashes };
}

function parseEvent(value: Members): ExportedEvent {
  const sequence = fromDecimal(value.text("sequence"));
  const entry = value.has("entry") ? fromBase64(value.text("entry")) : undefined;
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

function parseEnd(value: Members): SavedCheckpoint {
  const note = value.text("checkpoint");
  const organization = value.members("organization");
  value.end();
  const end = {
    note,
    organizationId: organization.text("id"),
    size: fromDecimal(organization.text("size")),
    root: hashFromBase64(organization.text("root")),
    leafIndex: fromDecimal(organization.text("leafIndex")),
    leaf: fromBase64(organization.text("leaf")),
    inclusionProof: organization.texts("inclusionProof").map(hashFromBase64),
  };
  organization.end();
  return end;
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AuditFormatError("it is not JSON");
  }
}

/** The members of an object, each of which is to be asked for. */
class Members {
  readonly #members: Map<string, unknown>;
  readonly #unread: Set<string>;

  constructor(value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new AuditFormatError("it is not an object");
    }
    this.#members = new Map(Object.entries(value));
    this.#unread = new Set(this.#members.keys());
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  text(name: string): string {
    const value = this.#read(name);
    if (typeof value !== "string") throw new AuditFormatError(`${name} is not a text`);
    return value;
  }

  texts(name: string): string[] {
    const value = this.#read(name);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw new AuditFormatError(`${name} is not a list of texts`);
    }
    return value;
  }

  members(name: string): Members {
    return new Members(this.#read(name));
  }

  /** @throws AuditFormatError when there are members that were not asked for */
  end(): void {
    const [name] = this.#unread;
    if (name !== undefined) throw new AuditFormatError(`${JSON.stringify(name)} is unknown`);
  }

  #read(name: string): unknown {
    this.#unread.delete(name);
    return this.#members.get(name);
  }
}

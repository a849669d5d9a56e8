import { generateKeyPairSync, randomBytes } from "node:crypto";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type {
  AuditExportDropped,
  AuditExportEnd,
  AuditExportEvent,
  AuditExportStart,
} from "pdaas/audit";
import { CompactRange, commitment, leafHash } from "pdaas/audit";
import { AuditEntrySchema } from "../../../gen/pdaas/v1/audit_entry_pb.ts";
import { formatCheckpoint, organizationLeaf } from "../../../src/audit/checkpoint.ts";
import { signNote, verifierKey } from "../../../src/audit/note.ts";
import { consistencyProof, type GrownTree, inclusionProof, rootOf, treeOf } from "./tree.ts";

export const organizationId = "org_1";

/** A log of one organization among others, as an honest service keeps it. */
export class FakeLog {
  readonly key: string;
  readonly #origin: string;
  readonly #privateKey;
  readonly #tree: GrownTree;
  readonly #events: AuditExportEvent[];

  /**
   * @param origin its name, which is also that of its key
   * @param entries what is in some of the entries besides, by their numbers
   */
  constructor(
    size: number,
    origin = "log.example.com/audit",
    entries: Record<number, EntryInit> = {},
  ) {
    this.#origin = origin;
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    this.#privateKey = privateKey;
    this.key = verifierKey(origin, publicKey);
    const made = Array.from({ length: size }, (_, at) => newEntry(at + 1, entries[at + 1]));
    this.#tree = treeOf(made.map(({ bytes }) => bytes));
    this.#events = made.map(({ bytes, personal }, at) => ({
      sequence: String(at + 1),
      entry: bytes.toString("base64"),
      leafHash: leafHash(bytes).toString("base64"),
      personal,
    }));
  }

  get size(): number {
    return this.#events.length;
  }

  /** Copies of the lines of the events. */
  events(from = 1, to = this.size): AuditExportEvent[] {
    return structuredClone(this.#events.slice(from - 1, to));
  }

  /** Lines of the same events, as if retention had dropped them. */
  dropped(from: number, to: number): AuditExportDropped[] {
    return this.events(from, to).map(({ sequence, leafHash }) => ({
      sequence,
      leafHash,
      dropped: true,
    }));
  }

  /** The line before an export that does not begin with event 1. */
  start(sequence: number): AuditExportStart {
    const range = CompactRange.of(0, []);
    for (const leaf of this.#tree.leaves.slice(0, sequence - 1)) range.append(leaf);
    const hashes = range.hashes.map((hash) => hash.toString("base64"));
    return { start: { sequence: String(sequence), hashes } };
  }

  /** What the log signs when it has this size. */
  end(size = this.size, options: EndOptions = {}): AuditExportEnd {
    const { root = rootOf(this.#tree, size), id = organizationId, provenFrom = [] } = options;
    const { origin = this.#origin } = options;
    const leaf = organizationLeaf({ organizationId: id, size, root });
    const instance = this.#instance(size, leaf, options.instanceSize);
    const instanceSize = instance.leaves.length;
    const leafIndex = instanceSize - 1;
    const signed = { origin, size: instanceSize, root: rootOf(instance, instanceSize) };
    const signer = { name: this.#origin, privateKey: this.#privateKey };
    const consistency = provenFrom.map((old) => ({
      size: String(old * 2),
      proof: base64(consistencyProof(instance, old * 2, instanceSize)),
    }));
    return {
      checkpoint: signNote(formatCheckpoint(signed), signer),
      organization: {
        id,
        size: String(size),
        root: root.toString("base64"),
        leafIndex: String(leafIndex),
        leaf: leaf.toString("base64"),
        inclusionProof: base64(inclusionProof(instance, leafIndex, instanceSize)),
      },
      ...(consistency.length > 0 && { consistency }),
    };
  }

  /** The tree of all organizations: each time that this one has grown, so has another one. */
  #instance(size: number, last: Buffer, instanceSize = size * 2): GrownTree {
    const more = Array.from({ length: instanceSize - size * 2 }, (_, at) => Buffer.from(`${at}`));
    const leaves = Array.from({ length: size }, (_, at) => [
      Buffer.from(`another ${at + 1}`),
      this.#leaf(at + 1),
    ]);
    return treeOf([...leaves.flat().slice(0, -1), ...more, last]);
  }

  #leaf(size: number): Buffer {
    return organizationLeaf({ organizationId, size, root: rootOf(this.#tree, size) });
  }
}

export interface EndOptions {
  /** Another one than that of the events. */
  root?: Buffer;
  /** Another organization. */
  id?: string;
  /** How large the tree of all organizations is, when others have grown more often. */
  instanceSize?: number;
  /** Another log, whose checkpoint this one signs. */
  origin?: string;
  /** The sizes of the log since which the export proves that the instance's tree has only grown. */
  provenFrom?: number[];
}

const base64 = (hashes: readonly Buffer[]) => hashes.map((hash) => hash.toString("base64"));

export type ExportedLine =
  | AuditExportStart
  | AuditExportDropped
  | AuditExportEvent
  | AuditExportEnd;

export const linesOf = (lines: readonly ExportedLine[]) =>
  lines.map((line) => JSON.stringify(line));

type EntryInit = MessageInitShape<typeof AuditEntrySchema>;

/** The event of retention that has dropped all up to a number. */
export function droppedTo(sequence: number): EntryInit {
  const after = JSON.stringify(String(sequence));
  return { action: "DropAuditEntries", changes: [{ field: "audit_dropped_to", after }] };
}

/** An event with an address. */
export function newEntry(number: number, besides: EntryInit = {}) {
  const salt = randomBytes(16);
  const value = `192.0.2.${number % 256}`;
  const entry = create(AuditEntrySchema, {
    id: `evt_${number}`,
    organizationId,
    action: "GetOrganization",
    addressCommitment: commitment(salt, value),
    count: 1n,
    ...besides,
  });
  const bytes = Buffer.from(toBinary(AuditEntrySchema, entry));
  return { bytes, personal: { address: { salt: salt.toString("base64"), value } } };
}

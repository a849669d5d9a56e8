import { AuditFormatError, fromDecimal, hashFromBase64 } from "./format.ts";
import { isSize } from "./merkle.ts";

// Checkpoints as in c2sp.org/tlog-checkpoint: the text of a signed note.

/** What is said of a tree: how many leaves it has, and its root. */
export interface Checkpoint {
  /** The log's name. */
  origin: string;
  size: number;
  root: Buffer;
}

/** @throws RangeError when it is none */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (!isLine(origin) || !isSize(size) || root.length !== 32) {
    throw new RangeError(
      "A checkpoint needs an origin of one line, a size, and a root of 32 bytes.",
    );
  }
  return `${origin}\n${size}\n${root.toString("base64")}\n`;
}

/**
 * Extension lines are allowed, and left out of what is returned.
 * @throws AuditFormatError
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = "", size = "", root = "", ...rest] = text.split("\n");
  if (![origin, size, root, ...rest.slice(0, -1)].every(isLine) || rest.at(-1) !== "") {
    throw new AuditFormatError("a checkpoint is not lines of origin, size and root");
  }
  return { origin, size: fromDecimal(size), root: hashFromBase64(root) };
}

/** The tree of one organization, as the tree of all of them has it. */
export interface OrganizationRoot {
  organizationId: string;
  /** How many events it has. */
  size: number;
  root: Buffer;
}

const leafType = "pdaas.v1.OrganizationRoot";

/**
 * The leaf that an organization's tree has in the instance's tree: a text of four lines.
 * @throws RangeError when it is none
 */
export function organizationLeaf({ organizationId, size, root }: OrganizationRoot): Buffer {
  if (!isLine(organizationId) || !isSize(size) || root.length !== 32) {
    throw new RangeError("An organization's leaf needs its id, a size, and a root of 32 bytes.");
  }
  return Buffer.from(`${leafType}\n${organizationId}\n${size}\n${root.toString("base64")}\n`);
}

/** @throws AuditFormatError */
export function parseOrganizationLeaf(leaf: Uint8Array): OrganizationRoot {
  const [type, organizationId = "", size = "", root = ""] = Buffer.from(leaf)
    .toString()
    .split("\n");
  if (type !== leafType || !isLine(organizationId)) throw notALeaf();
  const parsed = { organizationId, size: fromDecimal(size), root: hashFromBase64(root) };
  // Also catches more lines, and bytes that are not UTF-8.
  if (!organizationLeaf(parsed).equals(leaf)) throw notALeaf();
  return parsed;
}

function notALeaf(): AuditFormatError {
  return new AuditFormatError("an organization's leaf is not its four lines");
}

const isLine = (text: string) =>
  text !== "" && text.isWellFormed() && !/[^ -\u{10ffff}]/u.test(text);

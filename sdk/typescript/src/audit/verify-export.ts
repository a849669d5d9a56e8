import { AuditExport } from "./audit-export.ts";
import { parseSavedCheckpoint } from "./export-line.ts";
import { type AuditFinding, finding } from "./findings.ts";
import { AuditFormatError } from "./format.ts";
import type { NamedHead } from "./judge-history.ts";
import { NoteSignatureError } from "./note.ts";
import { type TreeHead, type VerifiedHead, verifyTreeHead } from "./tree-head.ts";

/** What is to be verified, and by what. */
export interface AuditExportToVerify {
  /** The lines of the export, one after the other. */
  lines: Iterable<string> | AsyncIterable<string>;
  /** The keys that the log signs with, as you have got them when you began to trust it. */
  verifierKeys: readonly string[];
  /** Checkpoints that you have saved, each with a name for findings, such as that of its file. */
  checkpoints?: readonly { name: string; text: string }[];
}

/** What was found. */
export interface AuditVerification {
  /** Whether all events are there and unchanged, and every checkpoint fits. */
  isComplete: boolean;
  /** What is wrong, up to 100 findings of each check; empty when it is complete. */
  findings: AuditFinding[];
  /** The organization; undefined when no signed checkpoint says so. */
  organizationId: string | undefined;
  /** The first event. */
  from: number;
  /** The last event that the log has. */
  to: number;
  /** Of how many events personal data was erased. */
  erased: number;
}

/**
 * Verifies an export offline: that no event is missing, changed, moved or made up, and that the log has
 * not signed another history before.
 */
export async function verifyAuditExport(input: AuditExportToVerify): Promise<AuditVerification> {
  const audit = new AuditExport();
  for await (const line of input.lines) audit.read(line);
  const heads = new Heads(input.verifierKeys);
  const head = audit.end === undefined ? undefined : heads.verify("The export", audit.end);
  const checkpoints = (input.checkpoints ?? []).flatMap(({ name, text }) => {
    const saved = heads.read(name, text);
    return saved !== undefined && heads.isOfSameLog(name, saved, head) ? [{ ...saved, name }] : [];
  });
  return conclude(audit, head, heads.findings, checkpoints);
}

function conclude(
  audit: AuditExport,
  head: VerifiedHead | undefined,
  headFindings: AuditFinding[],
  saved: NamedHead[],
): AuditVerification {
  const findings = [...audit.findings, ...headFindings, ...audit.judge(head, saved)];
  return {
    isComplete: head !== undefined && findings.length === 0,
    findings,
    organizationId: head?.organization.organizationId,
    from: audit.first,
    to: head?.organization.size ?? audit.last,
    erased: audit.erased,
  };
}

/** Reads signed heads, and keeps what is wrong with them. */
class Heads {
  readonly findings: AuditFinding[] = [];
  readonly #verifierKeys: readonly string[];

  constructor(verifierKeys: readonly string[]) {
    this.#verifierKeys = verifierKeys;
  }

  read(name: string, text: string): VerifiedHead | undefined {
    return this.#try(name, () => verifyTreeHead(parseSavedCheckpoint(text), this.#verifierKeys));
  }

  verify(name: string, head: TreeHead): VerifiedHead | undefined {
    return this.#try(name, () => verifyTreeHead(head, this.#verifierKeys));
  }

  isOfSameLog(name: string, saved: VerifiedHead, head: VerifiedHead | undefined): boolean {
    if (head === undefined) return false;
    const isSame =
      saved.checkpoint.origin === head.checkpoint.origin &&
      saved.organization.organizationId === head.organization.organizationId;
    if (!isSame) {
      this.findings.push(finding("unproved", `${name} is of another log or organization.`));
    }
    return isSame;
  }

  #try<T>(name: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      this.findings.push(finding(kindOf(error), `${name}: ${(error as Error).message}`));
      return undefined;
    }
  }
}

function kindOf(error: unknown) {
  if (error instanceof NoteSignatureError) return "signature";
  return error instanceof AuditFormatError ? "malformed" : "unproved";
}

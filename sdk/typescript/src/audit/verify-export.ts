import { AuditExport } from "./audit-export.ts";
import { parseSavedCheckpoint } from "./export-line.ts";
import { type AuditFinding, eventsAre, finding } from "./findings.ts";
import { AuditFormatError } from "./format.ts";
import type { NamedHead } from "./judge-history.ts";
import { judgePublished } from "./judge-published.ts";
import { NoteSignatureError } from "./note.ts";
import { openCheckpoint, type TreeHead, type VerifiedHead, verifyTreeHead } from "./tree-head.ts";

/** What is to be verified, and by what. */
export interface AuditExportToVerify {
  /** The lines of the export, one after the other. */
  lines: Iterable<string> | AsyncIterable<string>;
  /** The keys that the log signs with, as you have got them when you began to trust it. */
  verifierKeys: readonly string[];
  /**
   * Checkpoints that you have saved, or that the service has published, each with a name for findings,
   * such as that of its file.
   */
  checkpoints?: readonly { name: string; text: string }[];
  /**
   * The first event that must be there; 1 when absent, which is the whole log. Who passes an export on could
   * leave out its beginning otherwise.
   */
  from?: number;
}

/** What was found. */
export interface AuditVerification {
  /**
   * Whether all events are there and unchanged, but for what retention has dropped, and every checkpoint
   * fits.
   */
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
  /** The last event that retention has dropped, of which only the hash is left; 0 when it has dropped none. */
  droppedTo: number;
}

/**
 * Verifies an export offline: that no event is missing, changed, moved or made up, and that the log has
 * not signed another history before.
 */
export async function verifyAuditExport(input: AuditExportToVerify): Promise<AuditVerification> {
  const audit = new AuditExport();
  for await (const line of input.lines) audit.read(line);
  const heads = new Heads(input.verifierKeys);
  const head = audit.end && heads.attempt("The export", () => heads.verify(audit.end as TreeHead));
  const checkpoints = input.checkpoints ?? [];
  const saved = checkpoints.flatMap(({ name, text }) => heads.take(name, text, head, audit));
  const judged = [...judgeStart(audit.first, input.from ?? 1), ...audit.judge(head, saved)];
  const findings = [...audit.findings, ...judged, ...heads.findings];
  return {
    isComplete: head !== undefined && findings.length === 0,
    findings,
    organizationId: head?.organization.organizationId,
    from: audit.first,
    to: head?.organization.size ?? audit.last,
    erased: audit.erased,
    droppedTo: audit.droppedTo,
  };
}

function judgeStart(first: number, from: number): AuditFinding[] {
  if (first <= from) return [];
  const message = `${eventsAre(from, first - 1)} not in the export, which begins with event ${first}.`;
  return [finding("gap", message, from)];
}

/** Reads what is signed, and keeps what is wrong with it. */
class Heads {
  readonly findings: AuditFinding[] = [];
  readonly #verifierKeys: readonly string[];

  constructor(verifierKeys: readonly string[]) {
    this.#verifierKeys = verifierKeys;
  }

  verify(head: TreeHead): VerifiedHead {
    return verifyTreeHead(head, this.#verifierKeys);
  }

  /** @returns a saved checkpoint that the events are to be held to; nothing when that is not to be done */
  take(
    name: string,
    text: string,
    head: VerifiedHead | undefined,
    { end }: AuditExport,
  ): NamedHead[] {
    const isPublished = !text.trimStart().startsWith("{");
    const saved = this.attempt(name, () =>
      isPublished
        ? { checkpoint: openCheckpoint(text, this.#verifierKeys), organization: undefined }
        : this.verify(parseSavedCheckpoint(text)),
    );
    if (saved === undefined || head === undefined || end === undefined) return [];
    const { checkpoint, organization } = saved;
    const isOfOther =
      checkpoint.origin !== head.checkpoint.origin ||
      (organization ?? head.organization).organizationId !== head.organization.organizationId;
    if (isOfOther) {
      this.findings.push(finding("unproved", `${name} is of another log or organization.`));
    } else if (organization === undefined) {
      this.findings.push(...judgePublished(name, checkpoint, head.checkpoint, end.consistency));
    } else {
      return [{ name, checkpoint, organization }];
    }
    return [];
  }

  attempt<T>(name: string, read: () => T): T | undefined {
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

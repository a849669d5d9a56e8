import {
  type ExportEnd,
  type ExportedEvent,
  type ExportLine,
  parseExportLine,
} from "./export-line.ts";
import { type AuditFinding, finding } from "./findings.ts";
import { AuditFormatError } from "./format.ts";
import { judgeBytes } from "./judge-bytes.ts";
import { judgeDropped, saidDropped } from "./judge-dropped.ts";
import { judgeHistory, type NamedHead } from "./judge-history.ts";
import { judgeOrder } from "./judge-order.ts";
import { judgePersonal } from "./judge-personal.ts";
import { CompactRange, leafHash } from "./merkle.ts";
import { ReceivedEvents } from "./received-events.ts";
import type { VerifiedHead } from "./tree-head.ts";

/** What is broken all through would be found in every line. */
const maxFindings = 100;

/** An export as it is read, line by line. */
export class AuditExport {
  /** What single lines tell. */
  readonly findings: AuditFinding[] = [];
  /** The last line. */
  end: ExportEnd | undefined;
  erased = 0;
  /** The last event that retention has dropped; 0 where it has dropped none. */
  droppedTo = 0;
  /** How far the log itself says that it was dropped. */
  #saidDropped = 0;
  #hasEvents = false;
  readonly #events = new ReceivedEvents();
  #before = CompactRange.of(0, []);
  #lines = 0;

  /** The number that the export begins with. */
  get first(): number {
    return this.#before.size + 1;
  }

  /** The number that it has come to. */
  get last(): number {
    return this.#before.size + this.#events.sequences.length;
  }

  read(text: string): void {
    this.#lines++;
    try {
      this.#take(parseExportLine(text));
    } catch (error) {
      if (!(error instanceof AuditFormatError)) throw error;
      this.#add([finding("malformed", `Line ${this.#lines}: ${error.message}.`)]);
    }
  }

  /** What the lines tell together. */
  judge(head: VerifiedHead | undefined, saved: readonly NamedHead[]): AuditFinding[] {
    const { sequences } = this.#events;
    const cut = this.end === undefined ? [finding("malformed", "The export is cut off.")] : [];
    const order = judgeOrder(sequences, this.first, head?.organization.size ?? this.#events.last);
    const dropped = judgeDropped(this.first, this.droppedTo, this.#saidDropped);
    const bytes = judgeBytes(this.#events);
    const history = head === undefined ? [] : judgeHistory(this.#events, this.#before, head, saved);
    return [cut, order, dropped, bytes, history].flatMap((found) => found.slice(0, maxFindings));
  }

  #take(line: ExportLine): void {
    if (this.end !== undefined) throw new AuditFormatError("something follows the export's end");
    if (line.kind === "end") {
      const { kind: _, ...end } = line;
      this.end = end;
    } else if (line.kind === "start") {
      this.#begin(line.sequence, line.hashes);
    } else if (line.kind === "dropped") {
      this.#takeDropped(line.sequence, line.leafHash);
    } else {
      this.#takeEvent(line);
    }
  }

  #begin(sequence: number, hashes: readonly Buffer[]): void {
    if (this.#lines > 1) throw new AuditFormatError("the export's start is not its first line");
    try {
      this.#before = CompactRange.of(sequence - 1, hashes);
    } catch (error) {
      throw new AuditFormatError((error as Error).message);
    }
  }

  #takeDropped(sequence: number, hash: Buffer): void {
    if (this.#hasEvents) {
      throw new AuditFormatError(`event ${sequence} was dropped, and one before it was not`);
    }
    this.#events.add(sequence, hash, hash);
    this.droppedTo = Math.max(this.droppedTo, sequence);
  }

  #takeEvent(event: ExportedEvent): void {
    this.#hasEvents = true;
    if (this.droppedTo > this.#saidDropped) {
      this.#saidDropped = Math.max(this.#saidDropped, saidDropped(event.entry));
    }
    this.#events.add(event.sequence, event.leafHash, leafHash(event.entry));
    const { findings, isErased } = judgePersonal(event);
    if (isErased) this.erased++;
    this.#add(findings);
  }

  #add(findings: readonly AuditFinding[]): void {
    this.findings.push(...findings.slice(0, maxFindings - this.findings.length));
  }
}

/** What is wrong with an export, or with a checkpoint that was saved. */
export type AuditFindingKind =
  /** What was given is not an export, a checkpoint or a key. */
  | "malformed"
  /** Numbers are missing. */
  | "gap"
  /** The bytes of an event, or personal data beside them, are not those that were recorded. */
  | "changed"
  /** Events are gone, and those behind them have their numbers. */
  | "deleted"
  /** Events are where others were. */
  | "swapped"
  /** There are events that were not recorded. */
  | "inserted"
  /** The events together are not those that the log has signed. */
  | "rewritten"
  /** The log has signed two histories. */
  | "forked"
  /** The log was longer when the checkpoint was saved. */
  | "rolled-back"
  /** The log has not signed it. */
  | "signature"
  /** It cannot be told whether it is right. */
  | "unproved";

/** One thing that is wrong. */
export interface AuditFinding {
  kind: AuditFindingKind;
  /** A sentence that says what, and where. */
  message: string;
  /** The first event that it is about, where it is about events. */
  sequence?: number;
}

/** @param sequence the first event that it is about */
export function finding(kind: AuditFindingKind, message: string, sequence?: number): AuditFinding {
  return sequence === undefined ? { kind, message } : { kind, message, sequence };
}

/** "Event 3 is", "Events 3 to 5 are". */
export function eventsAre(from: number, to: number): string {
  return from === to ? `Event ${from} is` : `Events ${from} to ${to} are`;
}

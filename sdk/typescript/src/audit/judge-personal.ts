import { fromBinary } from "@bufbuild/protobuf";
import { type AuditEntry, AuditEntrySchema } from "../../../../gen/pdaas/v1/audit_entry_pb.ts";
import { commitment, saltLength } from "./commitment.ts";
import type { ExportedEvent } from "./export-line.ts";
import { type AuditFinding, finding } from "./findings.ts";

/** What is found of the personal data beside an entry. */
export interface PersonalJudgement {
  findings: AuditFinding[];
  /** Whether the entry commits to data that is not there any more. */
  isErased: boolean;
}

/** An entry, with the personal data beside it. */
export type EntryWithPersonal = Pick<ExportedEvent, "sequence" | "entry" | "personal">;

/** Holds personal data to the entry's commitments. */
export function judgePersonal({ sequence, entry, personal }: EntryWithPersonal): PersonalJudgement {
  const commitments = commitmentsOf(entry);
  if (commitments === undefined) {
    const message = `Event ${sequence} cannot be read.`;
    return { findings: [finding("malformed", message, sequence)], isErased: false };
  }
  const wrong = [...personal].filter(([name, { salt, value }]) => {
    const expected = commitments.get(name);
    return salt.length !== saltLength || !expected || !commitment(salt, value).equals(expected);
  });
  const findings = wrong.map(([name]) =>
    finding("changed", `Event ${sequence} was not recorded with this ${name}.`, sequence),
  );
  return { findings, isErased: commitments.size > personal.size };
}

/** By name; undefined when it is no entry. */
function commitmentsOf(bytes: Uint8Array): Map<string, Uint8Array> | undefined {
  let entry: AuditEntry;
  try {
    entry = fromBinary(AuditEntrySchema, bytes);
  } catch {
    return undefined;
  }
  const all: [string, Uint8Array][] = [
    ["address", entry.addressCommitment],
    ["user_agent", entry.userAgentCommitment],
    ...entry.changes.flatMap(({ field, beforeCommitment, afterCommitment }) => [
      [`before.${field}`, beforeCommitment] as [string, Uint8Array],
      [`after.${field}`, afterCommitment] as [string, Uint8Array],
    ]),
  ];
  return new Map(all.filter(([, committed]) => committed.length > 0));
}

import { timestampDate } from "@bufbuild/protobuf/wkt";
import { type AuditEvent, AuditOutcomeSchema } from "../../../gen/pdaas/v1/audit_service_pb.ts";
import { PrincipalType, PrincipalTypeSchema } from "../../../gen/pdaas/v1/auth_service_pb.ts";

/** The columns, by their names. */
const columns: Record<string, (event: AuditEvent) => string> = {
  sequence: ({ sequence }) => `${sequence}`,
  id: ({ id }) => id,
  time: ({ time }) => (time ? timestampDate(time).toISOString() : ""),
  principal_type: ({ principalType }) =>
    principalType === PrincipalType.UNSPECIFIED
      ? ""
      : (PrincipalTypeSchema.value[principalType]?.localName ?? ""),
  principal_id: ({ principalId }) => principalId,
  api_key_id: ({ apiKeyId }) => apiKeyId,
  session_id: ({ sessionId }) => sessionId,
  action: ({ action }) => action,
  resource_type: ({ resourceType }) => resourceType,
  resource_id: ({ resourceId }) => resourceId,
  parent_id: ({ parentId }) => parentId,
  account_id: ({ accountId }) => accountId,
  outcome: ({ outcome }) => AuditOutcomeSchema.value[outcome]?.localName ?? "",
  reason: ({ reason }) => reason,
  request_id: ({ requestId }) => requestId,
  trace_id: ({ traceId }) => traceId,
  address: ({ address }) => address,
  user_agent: ({ userAgent }) => userAgent,
  policy_ids: ({ policyIds }) => policyIds.join(" "),
  changes: ({ changes }) =>
    changes.length === 0
      ? ""
      : JSON.stringify(changes.map(({ field, before, after }) => ({ field, before, after }))),
  count: ({ count }) => `${count}`,
  last_time: ({ lastTime }) => (lastTime ? timestampDate(lastTime).toISOString() : ""),
};

export const csvHeader = record(Object.keys(columns));

export function toCsv(event: AuditEvent): string {
  return record(Object.values(columns).map((column) => guarded(column(event))));
}

/** RFC 4180, with every value in quotes, since any may have a comma, a quote or a line break in it. */
function record(values: string[]): string {
  return `${values.map((value) => `"${value.replaceAll('"', '""')}"`).join(",")}\r\n`;
}

/** What a spreadsheet would evaluate, and may first drop white space of, is made text by an apostrophe. */
function guarded(value: string): string {
  return /^[\s\p{C}]*[=+\-@＝＋－＠]|^[\t\r\n]/u.test(value) ? `'${value}` : value;
}

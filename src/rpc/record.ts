import type { MessageInitShape } from "@bufbuild/protobuf";
import { AccountSchema } from "../../gen/pdaas/v1/account_service_pb.ts";
import { AllowlistEntrySchema, AllowlistSchema } from "../../gen/pdaas/v1/allowlist_service_pb.ts";
import { ApiKeySchema } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import { AuditSinkSchema } from "../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { GroupMemberSchema, GroupSchema } from "../../gen/pdaas/v1/group_service_pb.ts";
import { OrganizationSchema } from "../../gen/pdaas/v1/organization_service_pb.ts";
import {
  PolicyAttachmentSchema,
  PolicySchema,
  UpdatePolicySchemaResponseSchema,
} from "../../gen/pdaas/v1/policy_service_pb.ts";
import { ServiceAccountSchema } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { UserSchema } from "../../gen/pdaas/v1/user_service_pb.ts";
import { fieldChanges, type PublicSchema } from "../audit/field-changes.ts";
import type { ApiKeyRow } from "../store/api-keys.ts";
import type { AuditSinkRow } from "../store/audit-sinks.ts";
import { type OrganizationRow, summaryOf } from "../store/organizations.ts";
import type { Call } from "./call.ts";
import { toPolicySchema } from "./policy/policy-schema.ts";
import {
  toAccount,
  toAllowlistEntry,
  toApiKey,
  toAuditSink,
  toGroup,
  toGroupMember,
  toOrganization,
  toPolicy,
  toPolicyAttachment,
  toServiceAccount,
  toUser,
} from "./resources.ts";

/**
 * Notes for the audit log how a change leaves a resource: in the words of the contract, so with nothing
 * in it that may not be read.
 * @returns the resource as it is after the change
 */
type Recorder<Row> = <After extends Row | undefined>(
  call: Call,
  before: Row | undefined,
  after: After,
) => After;

function recorder<S extends PublicSchema, Row>(
  schema: S,
  show: (row: Row) => MessageInitShape<S>,
): Recorder<Row> {
  return (call, before, after) => {
    call.changes = fieldChanges(schema, before && show(before), after && show(after));
    return after;
  };
}

export const recordOrganization = recorder(OrganizationSchema, (row: OrganizationRow) =>
  toOrganization(row.id, summaryOf(row)),
);
export const recordAccount = recorder(AccountSchema, toAccount);
export const recordUser = recorder(UserSchema, toUser);
export const recordGroup = recorder(GroupSchema, toGroup);
export const recordGroupMember = recorder(GroupMemberSchema, toGroupMember);
export const recordPolicy = recorder(PolicySchema, toPolicy);
export const recordPolicyAttachment = recorder(PolicyAttachmentSchema, toPolicyAttachment);
export const recordPolicySchema = recorder(UpdatePolicySchemaResponseSchema, toPolicySchema);
export const recordServiceAccount = recorder(ServiceAccountSchema, toServiceAccount);
export const recordApiKey = recorder(ApiKeySchema, showApiKey);
/** Both keys of a rotation are one change: the fields of the new one are those of `successor`. */
export function recordRotation(
  call: Call,
  key: ApiKeyRow,
  { retired, successor }: { retired: ApiKeyRow; successor: ApiKeyRow },
): void {
  const made = fieldChanges(ApiKeySchema, undefined, showApiKey(successor));
  recordApiKey(call, key, retired);
  call.changes = [
    ...call.changes,
    ...made.map((change) => ({ ...change, field: `successor.${change.field}` })),
  ];
}
export const recordAllowlist = recorder(
  AllowlistSchema,
  (allowlist: MessageInitShape<typeof AllowlistSchema>) => allowlist,
);
export const recordAllowlistEntry = recorder(AllowlistEntrySchema, toAllowlistEntry);
/** Without how its deliveries come along. */
export const recordAuditSink = recorder(AuditSinkSchema, (row: AuditSinkRow) =>
  toAuditSink({ ...row, delivered_sequence: 0, attempts: 0, last_error: "" }),
);

/** Without how it is used. */
function showApiKey(row: ApiKeyRow): MessageInitShape<typeof ApiKeySchema> {
  return toApiKey({ ...row, last_use: null, successor_last_use: null });
}

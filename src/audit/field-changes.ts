import { create, type DescMessage, type MessageInitShape, toJson } from "@bufbuild/protobuf";
import type { AccountSchema } from "../../gen/pdaas/v1/account_service_pb.ts";
import type {
  AllowlistEntrySchema,
  AllowlistSchema,
} from "../../gen/pdaas/v1/allowlist_service_pb.ts";
import type { ApiKeySchema } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import type { AuditSinkSchema } from "../../gen/pdaas/v1/audit_sink_service_pb.ts";
import type { GroupMemberSchema, GroupSchema } from "../../gen/pdaas/v1/group_service_pb.ts";
import type { OrganizationSchema } from "../../gen/pdaas/v1/organization_service_pb.ts";
import type {
  PolicyAttachmentSchema,
  PolicySchema,
  UpdatePolicySchemaResponseSchema,
} from "../../gen/pdaas/v1/policy_service_pb.ts";
import type { ServiceAccountSchema } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import type { UserSchema } from "../../gen/pdaas/v1/user_service_pb.ts";

/**
 * What a change can be recorded of: resources as the contract shows them to whoever may read them. None of
 * these messages has a secret, so none can get into the log: only fields of theirs are looked at.
 */
export type PublicSchema =
  | typeof OrganizationSchema
  | typeof AccountSchema
  | typeof UserSchema
  | typeof GroupSchema
  | typeof GroupMemberSchema
  | typeof PolicySchema
  | typeof PolicyAttachmentSchema
  | typeof UpdatePolicySchemaResponseSchema
  | typeof ServiceAccountSchema
  | typeof ApiKeySchema
  | typeof AuditSinkSchema
  | typeof AllowlistSchema
  | typeof AllowlistEntrySchema;

/** A field that was changed, with its values in JSON; empty where there is none. */
export interface FieldChange {
  field: string;
  before: string;
  after: string;
  /** Whether it may tell who a person is. */
  isPersonal: boolean;
}

/** What changes by itself, or with every change. */
const silent = new Set(["etag", "update_time", "last_use", "successor_last_use"]);
/** By message and field. */
const personal = new Set(["User.email", "User.name", "GroupMember.member_name"]);

/** @param before undefined for what was not there; @param after undefined for what is gone */
export function fieldChanges<S extends PublicSchema>(
  schema: S,
  before: MessageInitShape<S> | undefined,
  after: MessageInitShape<S> | undefined,
): FieldChange[] {
  const [old, now] = [fieldsOf(schema, before), fieldsOf(schema, after)];
  const names = new Set([...old.keys(), ...now.keys()]);
  return [...names]
    .map((field) => ({
      field,
      before: old.get(field) ?? "",
      after: now.get(field) ?? "",
      isPersonal: personal.has(`${schema.name}.${field}`),
    }))
    .filter(({ field, before, after }) => before !== after && !silent.has(field));
}

function fieldsOf<S extends PublicSchema>(
  schema: S,
  resource: MessageInitShape<S> | undefined,
): Map<string, string> {
  if (resource === undefined) return new Map();
  const message: DescMessage = schema;
  const json = toJson(message, create(message, resource), { useProtoFieldName: true });
  return new Map(
    Object.entries(json as object).map(([name, value]) => [name, JSON.stringify(value)]),
  );
}

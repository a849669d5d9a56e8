import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { AccountSchema } from "../../gen/pdaas/v1/account_service_pb.ts";
import type { AllowlistEntrySchema } from "../../gen/pdaas/v1/allowlist_service_pb.ts";
import {
  type ApiKeySchema,
  ApiKeyState,
  type ApiKeyUseSchema,
} from "../../gen/pdaas/v1/api_key_service_pb.ts";
import type { AuditOutcome } from "../../gen/pdaas/v1/audit_service_pb.ts";
import type {
  AuditSinkSchema,
  FailedDeliverySchema,
} from "../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { type PrincipalSchema, PrincipalType } from "../../gen/pdaas/v1/auth_service_pb.ts";
import type { GroupMemberSchema, GroupSchema } from "../../gen/pdaas/v1/group_service_pb.ts";
import type { OrganizationSchema } from "../../gen/pdaas/v1/organization_service_pb.ts";
import type { PolicyAttachmentSchema, PolicySchema } from "../../gen/pdaas/v1/policy_service_pb.ts";
import {
  type ServiceAccountSchema,
  ServiceAccountState,
} from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { type UserSchema, UserState } from "../../gen/pdaas/v1/user_service_pb.ts";
import type { ManagedPolicy } from "../iam/managed-policies.ts";
import { unconditionalPermissions } from "../iam/permissions.ts";
import type { OrganizationSummary, Principal } from "../iam/principal.ts";
import type { AccountRow } from "../store/accounts.ts";
import type { AllowlistEntryRow } from "../store/allowlists.ts";
import type { UseJson } from "../store/api-key-uses.ts";
import type { ApiKeyRow, UsedApiKeyRow } from "../store/api-keys.ts";
import type { AuditSinkRow, FailedDeliveryRow } from "../store/audit-sinks.ts";
import type { GroupMemberRow, GroupRow } from "../store/groups.ts";
import type { PolicyRow } from "../store/policies.ts";
import type { PolicyAttachmentRow } from "../store/policy-attachments.ts";
import { type ServiceAccountRow, undeleteDays } from "../store/service-accounts.ts";
import type { UserRow } from "../store/users.ts";
import { etagOf } from "./etag.ts";
import { type RateColumns, toRateLimit } from "./rate-limit.ts";

// What is stored, as the contract shows it. Nothing secret is copied here.

const daySeconds = 86_400;

export function toOrganization(
  id: string,
  organization: OrganizationSummary,
): MessageInitShape<typeof OrganizationSchema> {
  return {
    id,
    slug: organization.slug,
    name: organization.name,
    createTime: timestampFromDate(organization.createTime),
    maxApiKeysPerServiceAccount: organization.maxApiKeys,
    ...(organization.maxApiKeyLifetimeSeconds !== null && {
      maxApiKeyLifetime: { seconds: BigInt(organization.maxApiKeyLifetimeSeconds) },
    }),
    ...(organization.auditRetentionDays !== null && {
      auditRetention: { seconds: BigInt(organization.auditRetentionDays * daySeconds) },
    }),
  };
}

export function toAccount(row: AccountRow): MessageInitShape<typeof AccountSchema> {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    createTime: timestampFromDate(row.create_time),
  };
}

export function toServiceAccount(
  row: ServiceAccountRow,
): MessageInitShape<typeof ServiceAccountSchema> {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    description: row.description,
    permissions: row.permissions,
    state: serviceAccountState(row),
    etag: etagOf(row),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...present("deleteTime", row.delete_time),
    ...rateLimitOf(row),
    ...present("purgeTime", row.delete_time && daysAfter(row.delete_time, undeleteDays)),
  };
}

export function toApiKey(row: UsedApiKeyRow): MessageInitShape<typeof ApiKeySchema> {
  return {
    id: row.id,
    serviceAccountId: row.service_account_id,
    accessKey: row.access_key,
    name: row.name,
    description: row.description,
    labels: row.labels,
    state: apiKeyState(row, Date.now()),
    etag: etagOf(row),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    revokeReason: row.revoke_reason,
    leakSource: row.leak_source,
    predecessorId: row.predecessor_id ?? "",
    successorId: row.successor_id ?? "",
    ...(row.permission_limit && { permissionLimit: { permissions: row.permission_limit } }),
    ...rateLimitOf(row),
    ...present("expireTime", row.expire_time),
    ...present("retireTime", row.retire_time),
    ...present("disableTime", row.disable_time),
    ...present("revokeTime", row.revoke_time),
    ...present("leakTime", row.leak_time),
    ...(row.last_use && { lastUse: toApiKeyUse(row.last_use) }),
    ...(row.successor_last_use && { successorLastUse: toApiKeyUse(row.successor_last_use) }),
  };
}

export function toApiKeyUse(use: UseJson): MessageInitShape<typeof ApiKeyUseSchema> {
  return {
    time: timestampFromMs(use.time),
    address: use.address,
    userAgent: use.user_agent,
    rpc: use.rpc,
  };
}

/** @param now Unix milliseconds */
export function apiKeyState(
  row: Pick<ApiKeyRow, "revoke_time" | "expire_time" | "retire_time" | "disable_time">,
  now: number,
): ApiKeyState {
  if (row.revoke_time !== null) return ApiKeyState.REVOKED;
  const ends = [row.expire_time, row.retire_time];
  if (ends.some((end) => end !== null && end.getTime() <= now)) return ApiKeyState.EXPIRED;
  return row.disable_time === null ? ApiKeyState.ACTIVE : ApiKeyState.DISABLED;
}

export function toAllowlistEntry(
  row: AllowlistEntryRow,
): MessageInitShape<typeof AllowlistEntrySchema> {
  return {
    id: row.id,
    resourceId: row.resource_id,
    cidr: row.cidr,
    description: row.description,
    createTime: timestampFromDate(row.create_time),
    ...present("expireTime", row.expire_time),
  };
}

export function toUser(row: UserRow): MessageInitShape<typeof UserSchema> {
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    permissions: row.permissions,
    state: userState(row),
    etag: etagOf(row),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
  };
}

function userState(row: UserRow): UserState {
  if (row.disable_time !== null) return UserState.DISABLED;
  return row.password_hash === null ? UserState.INVITED : UserState.ACTIVE;
}

export function toGroup(row: GroupRow): MessageInitShape<typeof GroupSchema> {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    etag: etagOf(row),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
  };
}

export function toGroupMember(row: GroupMemberRow): MessageInitShape<typeof GroupMemberSchema> {
  const isUser = row.member_id.startsWith("usr_");
  return {
    groupId: row.group_id,
    memberId: row.member_id,
    memberType: isUser ? PrincipalType.USER : PrincipalType.SERVICE_ACCOUNT,
    memberName: row.member_name,
    createTime: timestampFromDate(row.create_time),
  };
}

export function toPolicy(row: PolicyRow): MessageInitShape<typeof PolicySchema> {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    text: row.text,
    managed: false,
    etag: etagOf(row),
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
  };
}

export function managedToPolicy(policy: ManagedPolicy): MessageInitShape<typeof PolicySchema> {
  return { ...policy, managed: true };
}

export function toPolicyAttachment(
  row: PolicyAttachmentRow,
): MessageInitShape<typeof PolicyAttachmentSchema> {
  return {
    policyId: row.policy_id,
    targetId: row.target_id,
    createTime: timestampFromDate(row.create_time),
  };
}

export function toAuditSink(row: AuditSinkRow): MessageInitShape<typeof AuditSinkSchema> {
  return {
    id: row.id,
    url: row.url,
    enabled: row.enabled,
    outcomes: row.outcomes as AuditOutcome[],
    actions: row.actions,
    deliveredSequence: BigInt(row.delivered_sequence),
    attempts: row.attempts,
    lastError: row.last_error,
    createTime: timestampFromDate(row.create_time),
    updateTime: timestampFromDate(row.update_time),
    ...present("nextAttemptTime", row.attempts > 0 ? row.next_attempt_time : null),
  };
}

export function toFailedDelivery(
  row: FailedDeliveryRow,
): MessageInitShape<typeof FailedDeliverySchema> {
  return {
    id: row.id,
    auditSinkId: row.sink_id,
    firstSequence: BigInt(row.first_sequence),
    lastSequence: BigInt(row.last_sequence),
    attempts: row.attempts,
    lastError: row.last_error,
    failTime: timestampFromDate(row.fail_time),
    retrying: row.retry_time !== null,
  };
}

export function toPrincipal(principal: Principal): MessageInitShape<typeof PrincipalSchema> {
  const { organization: _, groups, policies, permissionLimit, epoch, ...shown } = principal;
  return { ...shown, permissions: unconditionalPermissions(principal) };
}

function serviceAccountState(row: ServiceAccountRow): ServiceAccountState {
  if (row.delete_time !== null) return ServiceAccountState.DELETED;
  if (row.disable_time !== null) return ServiceAccountState.DISABLED;
  return ServiceAccountState.ACTIVE;
}

function rateLimitOf(row: RateColumns) {
  const rateLimit = toRateLimit(row);
  return rateLimit && { rateLimit };
}

function present<K extends string>(key: K, time: Date | null): Partial<Record<K, Timestamp>> {
  return time === null ? {} : ({ [key]: timestampFromDate(time) } as Record<K, Timestamp>);
}

function daysAfter(time: Date, days: number): Date {
  return new Date(time.getTime() + days * daySeconds * 1_000);
}

import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AccountSchema } from "../../gen/pdaas/v1/account_service_pb.ts";
import { type ApiKeySchema, ApiKeyState } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import type { PrincipalSchema } from "../../gen/pdaas/v1/auth_service_pb.ts";
import type { OrganizationSchema } from "../../gen/pdaas/v1/organization_service_pb.ts";
import {
  type ServiceAccountSchema,
  ServiceAccountState,
} from "../../gen/pdaas/v1/service_account_service_pb.ts";
import type { Principal } from "../iam/principal.ts";
import type { AccountRow } from "../store/accounts.ts";
import type { ApiKeyRow } from "../store/api-keys.ts";
import { type ServiceAccountRow, undeleteDays } from "../store/service-accounts.ts";

// What is stored, as the contract shows it. Nothing secret is copied here.

export function toOrganization({
  organizationId,
  organization,
}: Principal): MessageInitShape<typeof OrganizationSchema> {
  return {
    id: organizationId,
    slug: organization.slug,
    name: organization.name,
    createTime: timestampFromDate(organization.createTime),
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
    ...present("purgeTime", row.delete_time && daysAfter(row.delete_time, undeleteDays)),
  };
}

export function toApiKey(row: ApiKeyRow): MessageInitShape<typeof ApiKeySchema> {
  return {
    id: row.id,
    serviceAccountId: row.service_account_id,
    accessKey: row.access_key,
    description: row.description,
    state: row.revoke_time === null ? ApiKeyState.ACTIVE : ApiKeyState.REVOKED,
    createTime: timestampFromDate(row.create_time),
    ...present("revokeTime", row.revoke_time),
  };
}

export function toPrincipal(principal: Principal): MessageInitShape<typeof PrincipalSchema> {
  const { organization: _, ...shown } = principal;
  return { ...shown, permissions: [...principal.permissions].sort() };
}

/** Changes with every change of the row. */
export function etagOf(row: ServiceAccountRow): string {
  return `v${row.version}`;
}

function serviceAccountState(row: ServiceAccountRow): ServiceAccountState {
  if (row.delete_time !== null) return ServiceAccountState.DELETED;
  if (row.disable_time !== null) return ServiceAccountState.DISABLED;
  return ServiceAccountState.ACTIVE;
}

function present<K extends string>(key: K, time: Date | null): Partial<Record<K, Timestamp>> {
  return time === null ? {} : ({ [key]: timestampFromDate(time) } as Record<K, Timestamp>);
}

function daysAfter(time: Date, days: number): Date {
  return new Date(time.getTime() + days * 86_400_000);
}

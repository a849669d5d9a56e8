import { PrincipalType } from "../../gen/pdaas/v1/auth_service_pb.ts";
import type { PolicySlice } from "./policy-slice.ts";

/** What everybody in an organization may know of it. */
export interface OrganizationSummary {
  readonly slug: string;
  readonly name: string;
  readonly createTime: Date;
  /** The longest life that an API key may be given; null: without limit. */
  readonly maxApiKeyLifetimeSeconds: number | null;
  /** How many live keys a service account may have. */
  readonly maxApiKeys: number;
  /** How long the audit log is kept; null: for ever. */
  readonly auditRetentionDays: number | null;
}

/** An authenticated caller. Users and service accounts are authorised in exactly the same way. */
export interface Principal {
  readonly type: PrincipalType;
  /** `usr_…` or `svc_…` */
  readonly id: string;
  readonly organizationId: string;
  readonly organization: OrganizationSummary;
  /** The account of a service account; empty for a user. */
  readonly accountId: string;
  readonly name: string;
  /** Empty for a service account. */
  readonly email: string;
  /** The key that signed the call; empty for a user. */
  readonly apiKeyId: string;
  /** The session of the call; empty for a service account. */
  readonly sessionId: string;
  /** The groups that the principal is in, sorted. */
  readonly groups: readonly string[];
  /** All that says what the principal may do. */
  readonly policies: PolicySlice;
  /** What the calling key may do at most, such as `ApiKeys.read`; null: all that the principal may. */
  readonly permissionLimit: ReadonlySet<string> | null;
  /** The organization's access epoch when this was read. */
  readonly epoch: number;
}

export { PrincipalType };

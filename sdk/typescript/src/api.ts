// What Node's and the browsers' entry have in common.
export type { CallOptions } from "./caller.ts";
export {
  type FieldViolation,
  PdaasError,
  type PdaasErrorCode,
  type PdaasErrorReason,
} from "./errors.ts";
export { Listing, type Page, type PageOptions } from "./listing.ts";
export type {
  AccessDecision,
  AccessExplanation,
  BatchAuthorizeParams,
  DecidingStatement,
  EffectivePermission,
  EffectivePermissionsParams,
  ExplainAccessParams,
  RecordedCallParams,
} from "./resources/access.ts";
export type {
  AccessCheck,
  Attributes,
  AttributeValue,
  Entity,
  EntityReference,
} from "./resources/access-check.ts";
export type { Account, AccountParams, CreateAccountParams } from "./resources/accounts.ts";
export type {
  AddressTest,
  Allowlist,
  AllowlistEntry,
  AllowlistSuggestion,
  AllowlistVerdict,
} from "./resources/allowlist.ts";
export type {
  AddAllowlistEntryParams,
  AllowlistChangeParams,
  AllowlistEntryParams,
  AllowlistParams,
  ListAllowlistEntriesParams,
  RemoveAllowlistEntryParams,
  SetReportOnlyParams,
  TestAddressParams,
  UpdateAllowlistEntryParams,
} from "./resources/allowlists.ts";
export type {
  AddressUse,
  ApiKey,
  ApiKeyUsage,
  ApiKeyUse,
  DailyUse,
  IssuedApiKey,
  LeakReport,
  RotatedApiKey,
} from "./resources/api-key.ts";
export type {
  ApiKeyChangeParams,
  ApiKeyParams,
  ApiKeyUsageParams,
  EnableApiKeyParams,
  IssueApiKeyParams,
  ListApiKeysParams,
  ReportLeakedKeyParams,
  RetireApiKeyParams,
  RevokeApiKeyParams,
  RotateApiKeyParams,
  UpdateApiKeyParams,
} from "./resources/api-keys.ts";
export type { AuditCheckpoint } from "./resources/audit-checkpoint.ts";
export type { AuditEvent, AuditFieldChange, AuditProof } from "./resources/audit-event.ts";
export type {
  AuditEventFilters,
  ConsistencyProofParams,
  EraseAuditPersonalDataParams,
  ExportAuditEventsParams,
  GetAuditEventParams,
  ListAuditEventsParams,
  TailAuditEventsParams,
} from "./resources/audit-event-params.ts";
export type { ConsistencyProof } from "./resources/audit-events.ts";
export type {
  AuditSink,
  AuditSinkWithSecret,
  FailedDelivery,
  SinkOutcome,
} from "./resources/audit-sink.ts";
export type {
  AuditSinkFilters,
  AuditSinkParams,
  CreateAuditSinkParams,
  ListFailedDeliveriesParams,
  RetryFailedDeliveryParams,
  UpdateAuditSinkParams,
} from "./resources/audit-sinks.ts";
export type {
  CreateGroupParams,
  Group,
  GroupChangeParams,
  GroupMember,
  GroupMemberParams,
  GroupParams,
  ListGroupMembersParams,
  ListGroupsParams,
  UpdateGroupParams,
} from "./resources/groups.ts";
export type { Organization, UpdateOrganizationParams } from "./resources/organizations.ts";
export type {
  CreatePolicyParams,
  ListPolicyAttachmentsParams,
  PolicyAttachmentParams,
  PolicyChangeParams,
  PolicyParams,
  TestPolicyChangeParams,
  UpdatePolicyParams,
  UpdatePolicySchemaParams,
} from "./resources/policies.ts";
export type {
  ChangedCall,
  Policy,
  PolicyAttachment,
  PolicyChangeTest,
  PolicySchema,
} from "./resources/policy.ts";
export type { Principal } from "./resources/principals.ts";
export type { RateLimit } from "./resources/rate-limit.ts";
export type {
  CreateServiceAccountParams,
  ListServiceAccountsParams,
  ServiceAccount,
  ServiceAccountChangeParams,
  ServiceAccountParams,
  UpdateServiceAccountParams,
} from "./resources/service-accounts.ts";
export type {
  AcceptedInvitation,
  AcceptInvitationParams,
  CreateUserParams,
  Invitation,
  UpdateUserParams,
  User,
  UserChangeParams,
  UserParams,
} from "./resources/users.ts";
export { isSecretKey } from "./secret-key.ts";

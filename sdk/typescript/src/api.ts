// What Node's and the browsers' entry have in common.
export type { CallOptions } from "./caller.ts";
export {
  type FieldViolation,
  PdaasError,
  type PdaasErrorCode,
  type PdaasErrorReason,
} from "./errors.ts";
export { Listing, type Page, type PageOptions } from "./listing.ts";
export type { Account, AccountParams, CreateAccountParams } from "./resources/accounts.ts";
export type {
  ApiKey,
  ApiKeyParams,
  IssueApiKeyParams,
  IssuedApiKey,
  ListApiKeysParams,
} from "./resources/api-keys.ts";
export type { AuditEvent, ListAuditEventsParams } from "./resources/audit-events.ts";
export type { Organization } from "./resources/organizations.ts";
export type { Principal } from "./resources/principals.ts";
export type {
  CreateServiceAccountParams,
  ListServiceAccountsParams,
  ServiceAccount,
  ServiceAccountChangeParams,
  ServiceAccountParams,
  UpdateServiceAccountParams,
} from "./resources/service-accounts.ts";

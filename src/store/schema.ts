import type { PolicyJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { ColumnType, Generated } from "kysely";

/** The tables, as the newest migration leaves them. Times are `timestamptz`; ids are TypeIDs. */
export interface Schema {
  instance: InstanceTable;
  organizations: OrganizationTable;
  accounts: AccountTable;
  users: UserTable;
  invitations: InvitationTable;
  groups: GroupTable;
  group_members: GroupMemberTable;
  policies: PolicyTable;
  policy_attachments: PolicyAttachmentTable;
  policy_schemas: PolicySchemaTable;
  sessions: SessionTable;
  refresh_tokens: RefreshTokenTable;
  token_keys: TokenKeyTable;
  service_accounts: ServiceAccountTable;
  api_keys: ApiKeyTable;
  api_key_uses: ApiKeyUseTable;
  api_key_daily_uses: ApiKeyDailyUseTable;
  api_key_address_uses: ApiKeyAddressUseTable;
  allowlists: AllowlistTable;
  allowlist_entries: AllowlistEntryTable;
  idempotent_requests: IdempotentRequestTable;
  attempts: AttemptTable;
  audit_pending: AuditPendingTable;
  audit_entries: AuditEntryTable;
  audit_trees: AuditTreeTable;
  audit_tiles: AuditTileTable;
  audit_log: AuditLogTable;
  audit_keys: AuditKeyTable;
  audit_drops: AuditDropTable;
  audit_sinks: AuditSinkTable;
  audit_failed_deliveries: AuditFailedDeliveryTable;
}

interface InstanceTable {
  singleton: Generated<boolean>;
  id: string;
  master_key_id: string;
  replay_store_used: Generated<boolean>;
}

interface OrganizationTable {
  id: string;
  slug: string;
  name: string;
  sealed_data_key: Buffer;
  access_epoch: Generated<number>;
  access_epoch_time: Generated<Date>;
  create_time: Generated<Date>;
  /** null: without limit. */
  max_api_key_lifetime_seconds: number | null;
  max_api_keys: Generated<number>;
  /** null: for ever. */
  audit_retention_days: number | null;
}

interface AccountTable {
  organization_id: string;
  id: string;
  name: string;
  description: string;
  create_time: Generated<Date>;
}

interface UserTable {
  id: string;
  organization_id: string;
  /** In lower case. */
  email: string;
  name: string;
  /** null until an invitation is accepted. */
  password_hash: string | null;
  permissions: Generated<string[]>;
  version: Generated<number>;
  create_time: Generated<Date>;
  update_time: Generated<Date>;
  disable_time: Date | null;
}

interface InvitationTable {
  /** SHA-256 of the token. */
  hash: Buffer;
  organization_id: string;
  user_id: string;
  create_time: Generated<Date>;
  expire_time: Date;
}

interface GroupTable {
  id: string;
  organization_id: string;
  name: string;
  description: string;
  version: Generated<number>;
  create_time: Generated<Date>;
  update_time: Generated<Date>;
}

interface GroupMemberTable {
  group_id: string;
  /** A user or a service account. */
  member_id: string;
  organization_id: string;
  create_time: Generated<Date>;
}

/** A statement of a policy, with its form in Cedar's JSON. */
export interface ParsedStatement {
  text: string;
  /** Where it begins in the policy's text, from 1. */
  line: number;
  json: PolicyJson;
}

interface PolicyTable {
  id: string;
  organization_id: string;
  name: string;
  description: string;
  /** Cedar. */
  text: string;
  /** The text, taken apart. */
  statements: ColumnType<ParsedStatement[], string, string>;
  version: Generated<number>;
  create_time: Generated<Date>;
  update_time: Generated<Date>;
}

interface PolicyAttachmentTable {
  sequence: Generated<number>;
  organization_id: string;
  /** One of the organization's own, or one that comes with the product. */
  policy_id: string;
  /** A user, a service account, a group, an account or the organization. */
  target_id: string;
  create_time: Generated<Date>;
}

interface PolicySchemaTable {
  organization_id: string;
  application_text: string;
  version: number;
}

interface SessionTable {
  id: string;
  organization_id: string;
  user_id: string;
  create_time: Generated<Date>;
  expire_time: Date;
  end_time: Date | null;
}

interface RefreshTokenTable {
  hash: Buffer;
  session_id: string;
  use_time: Date | null;
}

interface TokenKeyTable {
  id: string;
  public_key: string;
  sealed_private_key: Buffer;
  create_time: Generated<Date>;
}

interface ServiceAccountTable {
  id: string;
  organization_id: string;
  account_id: string;
  name: string;
  description: string;
  permissions: string[];
  version: Generated<number>;
  create_time: Generated<Date>;
  update_time: Generated<Date>;
  disable_time: Date | null;
  delete_time: Date | null;
  /** Both null: without limit. */
  rate_per_second: number | null;
  rate_burst: number | null;
}

interface ApiKeyTable {
  id: string;
  organization_id: string;
  service_account_id: string;
  access_key: string;
  algorithm: string;
  sealed_secret: Buffer;
  secret_version: number;
  description: string;
  create_time: Generated<Date>;
  revoke_time: Date | null;
  name: string;
  labels: ColumnType<Record<string, string>, string, string>;
  /** null: all that its service account may. */
  permission_limit: string[] | null;
  /** Both null: as often as its service account may. */
  rate_per_second: number | null;
  rate_burst: number | null;
  version: Generated<number>;
  update_time: Generated<Date>;
  expire_time: Date | null;
  /** When the key that replaces it makes it needless. */
  retire_time: Date | null;
  disable_time: Date | null;
  revoke_reason: Generated<string>;
  predecessor_id: string | null;
  successor_id: string | null;
  leak_time: Date | null;
  leak_source: Generated<string>;
  /** null: not known yet, of a key that is older than fingerprints. */
  secret_fingerprint: Buffer | null;
  /** The end that the audit log has announced. */
  announced_end_time: Date | null;
}

/** The last use of a key. */
interface ApiKeyUseTable {
  api_key_id: string;
  time: Date;
  address: string;
  user_agent: string;
  rpc: string;
}

interface ApiKeyDailyUseTable {
  api_key_id: string;
  /** In UTC. */
  date: string;
  calls: number;
}

interface ApiKeyAddressUseTable {
  api_key_id: string;
  address: string;
  /** In UTC. */
  date: string;
  calls: number;
  last_time: Date;
}

interface AllowlistTable {
  organization_id: string;
  /** An organization, an account, a service account or an API key. */
  resource_id: string;
  report_only: Generated<boolean>;
}

interface AllowlistEntryTable {
  id: string;
  organization_id: string;
  resource_id: string;
  /** Canonical. */
  cidr: string;
  description: string;
  expire_time: Date | null;
  create_time: Generated<Date>;
}

interface IdempotentRequestTable {
  organization_id: string;
  principal_id: string;
  action: string;
  request_id: string;
  request_hash: Buffer;
  resource_id: string;
  create_time: Generated<Date>;
}

interface AttemptTable {
  subject: string;
  attempts: number;
  window_start: Date;
}

/** An event, before and after it has its number. */
interface AuditEventColumns {
  id: string;
  organization_id: string;
  /** When it happened; of several, the first. */
  time: Date;
  principal_type: number;
  principal_id: string;
  api_key_id: string;
  session_id: string;
  action: string;
  resource_type: string;
  resource_id: string;
  /** What the resource was to be created in or listed of; empty where the call names no such thing. */
  parent_id: string;
  /** The account that the resource is in; empty when it is in none, or not known. */
  account_id: string;
  outcome: number;
  reason: string;
  request_id: string;
  /** Empty when it is not known, or was erased. */
  address: string;
  /** A serialised AuditEntry, as it was recorded: never made again from anything else. */
  entry: Buffer;
  /** What the entry commits to, by name; what was erased is absent. */
  personal: ColumnType<PersonalValues, string, string>;
}

/** Salts in base64, and values. */
export type PersonalValues = Record<string, { salt: string; value: string }>;

/** Recorded in the transaction of the change itself, and not sequenced yet. */
interface AuditPendingTable extends AuditEventColumns {
  position: Generated<number>;
  /** Of several that were counted, later than they happened. */
  write_time: Generated<Date>;
}

/** Partitioned by month. */
interface AuditEntryTable extends AuditEventColumns {
  /** In the organization, from 1 without gaps. */
  sequence: number;
}

/** The tree of an organization's entries. */
interface AuditTreeTable {
  organization_id: string;
  size: number;
  /** The roots of its complete subtrees, from the largest to the smallest. */
  hashes: Buffer;
  /** Where its head is in the instance's tree. */
  leaf_index: number;
}

/** Nodes of a tree: see TileNode. */
interface AuditTileTable {
  /** An organization, or `instance`. */
  tree_id: string;
  level: number;
  index: number;
  hashes: Buffer;
}

/** The tree of all organizations' heads, and who may write it. */
interface AuditLogTable {
  singleton: Generated<boolean>;
  /** Raised by each sequencer that takes over: an earlier one can commit nothing more. */
  epoch: Generated<number>;
  size: Generated<number>;
  hashes: Generated<Buffer>;
  /** A signed note; empty before the first one. */
  checkpoint: Generated<string>;
}

interface AuditKeyTable {
  id: string;
  sealed_private_key: Buffer;
  create_time: Generated<Date>;
}

/** What retention has dropped of an organization's log. */
interface AuditDropTable {
  organization_id: string;
  /** The last entry that was dropped. */
  dropped_to: number;
  /** All that was dropped had happened before this time. */
  dropped_before: Date;
}

interface AuditSinkTable {
  id: string;
  organization_id: string;
  url: string;
  enabled: Generated<boolean>;
  /** Empty: all. */
  outcomes: number[];
  /** Empty: all. */
  actions: string[];
  sealed_secret: Buffer;
  secret_version: number;
  /** The last entry that was dealt with. */
  delivered_sequence: number;
  /** How often the next delivery was tried in vain. */
  attempts: Generated<number>;
  last_error: Generated<string>;
  next_attempt_time: Generated<Date>;
  /** Who delivers, and until when nobody else may. */
  lease_id: Generated<string>;
  lease_end_time: Generated<Date>;
  create_time: Generated<Date>;
  update_time: Generated<Date>;
}

/** What was given up, without the events themselves. */
interface AuditFailedDeliveryTable {
  id: string;
  organization_id: string;
  sink_id: string;
  first_sequence: number;
  last_sequence: number;
  attempts: number;
  last_error: string;
  fail_time: Generated<Date>;
  /** When somebody has asked for one more attempt; null: nobody has, or it was made. */
  retry_time: Date | null;
}

import type { Generated } from "kysely";

/** The tables, as the newest migration leaves them. Times are `timestamptz`; ids are TypeIDs. */
export interface Schema {
  instance: InstanceTable;
  organizations: OrganizationTable;
  accounts: AccountTable;
  users: UserTable;
  sessions: SessionTable;
  refresh_tokens: RefreshTokenTable;
  token_keys: TokenKeyTable;
  service_accounts: ServiceAccountTable;
  api_keys: ApiKeyTable;
  idempotent_requests: IdempotentRequestTable;
  login_attempts: LoginAttemptTable;
  audit_events: AuditEventTable;
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
  email: string;
  name: string;
  password_hash: string;
  administrator: boolean;
  create_time: Generated<Date>;
  disable_time: Date | null;
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

interface LoginAttemptTable {
  subject: string;
  attempts: number;
  window_start: Date;
}

interface AuditEventTable {
  sequence: Generated<number>;
  id: string;
  organization_id: string;
  time: Date;
  principal_type: number;
  principal_id: string;
  api_key_id: string;
  session_id: string;
  action: string;
  resource_type: string;
  resource_id: string;
  outcome: number;
  reason: string;
  request_id: string;
  address: string;
  user_agent: string;
}

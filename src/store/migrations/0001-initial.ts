import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `create table instance (
    singleton boolean primary key default true check (singleton),
    id text not null,
    master_key_id text not null,
    replay_store_used boolean not null default false
  )`,
  `create table organizations (
    id text primary key,
    slug text not null unique,
    name text not null,
    sealed_data_key bytea not null,
    access_epoch bigint not null default 1,
    access_epoch_time timestamptz not null default now(),
    create_time timestamptz not null default now()
  )`,
  "create index organizations_by_access_epoch_time on organizations (access_epoch_time)",
  `create table accounts (
    organization_id text not null references organizations (id),
    id text not null,
    name text not null,
    description text not null,
    create_time timestamptz not null default now(),
    primary key (organization_id, id)
  )`,
  `create table users (
    id text primary key,
    organization_id text not null references organizations (id),
    email text not null check (email = lower(email)),
    name text not null,
    password_hash text not null,
    administrator boolean not null,
    create_time timestamptz not null default now(),
    disable_time timestamptz,
    unique (organization_id, email)
  )`,
  `create table sessions (
    id text primary key,
    organization_id text not null references organizations (id),
    user_id text not null references users (id),
    create_time timestamptz not null default now(),
    expire_time timestamptz not null,
    end_time timestamptz
  )`,
  "create index sessions_by_expire_time on sessions (expire_time)",
  `create table refresh_tokens (
    hash bytea primary key,
    session_id text not null references sessions (id) on delete cascade,
    use_time timestamptz
  )`,
  "create index refresh_tokens_by_session on refresh_tokens (session_id)",
  `create table token_keys (
    id text primary key,
    public_key text not null,
    sealed_private_key bytea not null,
    create_time timestamptz not null default now()
  )`,
  `create table service_accounts (
    id text primary key,
    organization_id text not null,
    account_id text not null,
    name text not null,
    description text not null,
    permissions text[] not null,
    version bigint not null default 1,
    create_time timestamptz not null default now(),
    update_time timestamptz not null default now(),
    disable_time timestamptz,
    delete_time timestamptz,
    foreign key (organization_id, account_id) references accounts (organization_id, id)
  )`,
  "create index service_accounts_by_organization on service_accounts (organization_id, id)",
  "create index service_accounts_by_account on service_accounts (organization_id, account_id, id)",
  `create index service_accounts_by_delete_time on service_accounts (delete_time)
    where delete_time is not null`,
  `create table api_keys (
    id text primary key,
    organization_id text not null references organizations (id),
    service_account_id text not null references service_accounts (id),
    access_key text not null unique,
    algorithm text not null,
    sealed_secret bytea not null,
    secret_version integer not null,
    description text not null,
    create_time timestamptz not null default now(),
    revoke_time timestamptz
  )`,
  "create index api_keys_by_service_account on api_keys (service_account_id, id)",
  `create table idempotent_requests (
    organization_id text not null,
    principal_id text not null,
    action text not null,
    request_id text not null,
    request_hash bytea not null,
    resource_id text not null,
    create_time timestamptz not null default now(),
    primary key (organization_id, principal_id, action, request_id)
  )`,
  "create index idempotent_requests_by_create_time on idempotent_requests (create_time)",
  `create table login_attempts (
    subject text primary key,
    attempts integer not null,
    window_start timestamptz not null
  )`,
  `create table audit_events (
    sequence bigint generated always as identity primary key,
    id text not null unique,
    organization_id text not null references organizations (id),
    time timestamptz not null,
    principal_type smallint not null,
    principal_id text not null,
    api_key_id text not null,
    session_id text not null,
    action text not null,
    resource_type text not null,
    resource_id text not null,
    outcome smallint not null,
    reason text not null,
    request_id text not null,
    address text not null,
    user_agent text not null
  )`,
  "create index audit_events_by_organization on audit_events (organization_id, sequence)",
  "create index audit_events_by_time on audit_events (organization_id, time)",
  "create index audit_events_by_principal on audit_events (organization_id, principal_id, sequence)",
  "create index audit_events_by_resource on audit_events (organization_id, resource_id, sequence)",
];

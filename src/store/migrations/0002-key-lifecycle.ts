import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  "alter table login_attempts rename to attempts",
  "alter index login_attempts_pkey rename to attempts_pkey",
  `alter table organizations
    add max_api_key_lifetime_seconds integer,
    add max_api_keys integer not null default 100`,
  `alter table service_accounts
    add rate_per_second integer,
    add rate_burst integer,
    add check ((rate_per_second is null) = (rate_burst is null))`,
  `alter table api_keys
    add name text not null default '',
    add labels jsonb not null default '{}',
    add permission_limit text[],
    add rate_per_second integer,
    add rate_burst integer,
    add version bigint not null default 1,
    add update_time timestamptz not null default now(),
    add expire_time timestamptz,
    add retire_time timestamptz,
    add disable_time timestamptz,
    add revoke_reason text not null default '',
    add predecessor_id text,
    add successor_id text,
    add leak_time timestamptz,
    add leak_source text not null default '',
    add secret_fingerprint bytea unique,
    add announced_end_time timestamptz,
    add check ((rate_per_second is null) = (rate_burst is null))`,
  "create index api_keys_by_organization on api_keys (organization_id, id)",
  `create index api_keys_by_end_time on api_keys (least(expire_time, retire_time))
    where revoke_time is null`,
  `create index api_keys_without_fingerprint on api_keys (id) where secret_fingerprint is null`,
  `create table api_key_uses (
    api_key_id text primary key references api_keys (id) on delete cascade,
    time timestamptz not null,
    address text not null,
    user_agent text not null,
    rpc text not null
  )`,
  `create table api_key_daily_uses (
    api_key_id text not null references api_keys (id) on delete cascade,
    date date not null,
    calls bigint not null,
    primary key (api_key_id, date)
  )`,
  "create index api_key_daily_uses_by_date on api_key_daily_uses (date)",
  `create table api_key_address_uses (
    api_key_id text not null references api_keys (id) on delete cascade,
    address text not null,
    date date not null,
    calls bigint not null,
    last_time timestamptz not null,
    primary key (api_key_id, address, date)
  )`,
  "create index api_key_address_uses_by_date on api_key_address_uses (date)",
  `create table allowlists (
    organization_id text not null references organizations (id),
    resource_id text not null,
    report_only boolean not null default false,
    primary key (organization_id, resource_id)
  )`,
  `create table allowlist_entries (
    id text primary key,
    organization_id text not null,
    resource_id text not null,
    cidr text not null,
    description text not null,
    expire_time timestamptz,
    create_time timestamptz not null default now(),
    unique (organization_id, resource_id, cidr),
    foreign key (organization_id, resource_id)
      references allowlists (organization_id, resource_id) on delete cascade
  )`,
];

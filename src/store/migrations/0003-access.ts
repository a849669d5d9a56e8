import { type Kysely, sql } from "kysely";

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db);
}

const statements = [
  `alter table users
    add permissions text[] not null default '{}',
    add version bigint not null default 1,
    add update_time timestamptz not null default now(),
    alter password_hash drop not null`,
  `create table invitations (
    hash bytea primary key,
    organization_id text not null references organizations (id),
    user_id text not null references users (id) on delete cascade,
    create_time timestamptz not null default now(),
    expire_time timestamptz not null
  )`,
  "create index invitations_by_user on invitations (user_id)",
  "create index invitations_by_expire_time on invitations (expire_time)",
  "alter table sessions drop constraint sessions_user_id_fkey",
  `alter table sessions add constraint sessions_user_id_fkey
    foreign key (user_id) references users (id) on delete cascade`,
  "create index sessions_by_user on sessions (user_id)",
  `create table groups (
    id text primary key,
    organization_id text not null references organizations (id),
    name text not null,
    description text not null,
    version bigint not null default 1,
    create_time timestamptz not null default now(),
    update_time timestamptz not null default now(),
    unique (organization_id, name)
  )`,
  `create table group_members (
    group_id text not null references groups (id) on delete cascade,
    member_id text not null,
    organization_id text not null references organizations (id),
    create_time timestamptz not null default now(),
    primary key (group_id, member_id)
  )`,
  "create index group_members_by_member on group_members (member_id, group_id)",
  `create table policies (
    id text primary key,
    organization_id text not null references organizations (id),
    name text not null,
    description text not null,
    text text not null,
    statements json not null,
    version bigint not null default 1,
    create_time timestamptz not null default now(),
    update_time timestamptz not null default now(),
    unique (organization_id, name)
  )`,
  `create table policy_attachments (
    sequence bigint generated always as identity unique,
    organization_id text not null references organizations (id),
    policy_id text not null,
    target_id text not null,
    create_time timestamptz not null default now(),
    primary key (organization_id, policy_id, target_id)
  )`,
  "create index policy_attachments_by_target on policy_attachments (organization_id, target_id)",
  `create table policy_schemas (
    organization_id text primary key references organizations (id),
    application_text text not null,
    version bigint not null
  )`,
  `insert into policy_attachments (organization_id, policy_id, target_id)
    select organization_id, 'pol_organization_administrator', id from users where administrator`,
  "alter table users drop column administrator",
  "alter table audit_events add parent_id text not null default ''",
  `create index audit_events_by_request on audit_events (organization_id, request_id)`,
];

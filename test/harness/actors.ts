import { type ApiKeyParams, Client, type IssueApiKeyParams, type IssuedApiKey } from "pdaas";
import { expect } from "vitest";
import { refusalOf } from "./clients.ts";
import { administrator, type TestService } from "./service.ts";

/** A user, with a session. */
export interface TestUser {
  id: string;
  email: string;
  client: Client;
}

/** A service account, with a key that signs. */
export interface TestBot {
  id: string;
  client: Client;
  key: IssuedApiKey;
}

interface Wanted {
  permissions?: string[];
  /** What is attached to it besides. */
  policies?: string[];
}

type KeySettings = Omit<IssueApiKeyParams, "serviceAccountId">;

export const password = "a long enough password";

let made = 0;
const unique = (kind: string) => `${kind}-${++made}`;

/** Makes who and what the tests of access are about. */
export class Actors {
  readonly #service: TestService;
  readonly #admin: Client;
  readonly #organizationSlug: string;

  constructor(
    service: TestService,
    admin = service.admin,
    organizationSlug = administrator.organizationSlug,
  ) {
    this.#service = service;
    this.#admin = admin;
    this.#organizationSlug = organizationSlug;
  }

  /** Creates a user who is not invited yet. */
  async invited({ permissions = [], policies = [] }: Wanted = {}) {
    const email = `${unique("user")}@example.com`;
    const { id } = await this.#admin.users.create({ email, permissions });
    for (const policyId of policies) await this.attach(policyId, id);
    return { id, email };
  }

  async user(wanted: Wanted = {}): Promise<TestUser> {
    const { id, email } = await this.invited(wanted);
    const { invitationToken } = await this.#admin.users.invite({ userId: id });
    await this.#admin.users.acceptInvitation({ invitationToken, password });
    const login = { organizationSlug: this.#organizationSlug, email, password };
    return { id, email, client: new Client({ baseUrl: this.#service.httpUrl, ...login }) };
  }

  async bot({ permissions = [], policies = [] }: Wanted = {}, accountId = "acc-123") {
    const name = unique("Bot");
    const { id } = await this.#admin.serviceAccounts.create({ accountId, name, permissions });
    for (const policyId of policies) await this.attach(policyId, id);
    return this.withKey(id);
  }

  /** A service account, by another key of it. */
  async withKey(id: string, settings: KeySettings = {}): Promise<TestBot> {
    const key = await this.#admin.apiKeys.issue({ serviceAccountId: id, ...settings });
    return { id, key, client: this.signing(key) };
  }

  signing({ accessKey, secretKey }: Pick<IssuedApiKey, "accessKey" | "secretKey">): Client {
    return new Client({ baseUrl: this.#service.httpUrl, accessKey, secretKey });
  }

  /** Creates a policy. @returns its identifier */
  async policy(text: string, ...targetIds: string[]): Promise<string> {
    const { id } = await this.#admin.policies.create({ name: unique("Policy"), text });
    for (const targetId of targetIds) await this.attach(id, targetId);
    return id;
  }

  async attach(policyId: string, targetId: string): Promise<void> {
    await this.#admin.policies.attach({ policyId, targetId });
  }

  /** Creates a group with policies and members. @returns its identifier */
  async group({ policies = [], members = [] }: { policies?: string[]; members?: string[] } = {}) {
    const { id } = await this.#admin.groups.create({ name: unique("Group") });
    for (const policyId of policies) await this.attach(policyId, id);
    for (const memberId of members) await this.#admin.groups.addMember({ groupId: id, memberId });
    return id;
  }

  async disableKey({ apiKeyId }: ApiKeyParams): Promise<void> {
    await this.#admin.apiKeys.disable({ apiKeyId });
  }

  /** Holds that an attempt is refused, as one to give too much, and leaves everything as it is. */
  async refuses(attempt: () => Promise<unknown>, refusal: object = escalation): Promise<void> {
    const before = await accessRows(this.#service);
    expect(await refusalOf(attempt())).toMatchObject(refusal);
    expect(await accessRows(this.#service)).toEqual(before);
  }
}

const tables = [
  "users",
  "invitations",
  "groups",
  "group_members",
  "policies",
  "policy_attachments",
  "policy_schemas",
  "service_accounts",
  "api_keys",
  "allowlist_entries",
];

const escalation = { code: "permission_denied", reason: "PERMISSION_ESCALATION" };

/** Every row that says who may do what. */
export async function accessRows({ database }: TestService): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const table of tables) {
    found[table] = await database.query(`select t::text as row from ${table} t order by 1`);
  }
  return found;
}

import { createClient, type Transport } from "@connectrpc/connect";
import { AccountService } from "../../gen/pdaas/v1/account_service_pb.ts";
import { AllowlistService } from "../../gen/pdaas/v1/allowlist_service_pb.ts";
import { ApiKeyService } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import { AuthService } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { GroupService } from "../../gen/pdaas/v1/group_service_pb.ts";
import { PolicyService } from "../../gen/pdaas/v1/policy_service_pb.ts";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { UserService } from "../../gen/pdaas/v1/user_service_pb.ts";
import { newId } from "../../src/ids.ts";
import { transport } from "../harness/clients.ts";
import { addOrganization } from "../harness/organization.ts";
import { logIn, newServiceAccount, newUser, type TestPrincipal } from "../harness/principals.ts";
import type { TestService } from "../harness/service.ts";
import { Names } from "./names.ts";
import { idPrefixes, type Kind, type Scenario } from "./scenario.ts";

/** A principal, and the ways that its calls go in turns. */
interface Caller extends TestPrincipal {
  readonly transports: readonly Transport[];
}

/** An organization with all that a scenario names. */
export interface Stage {
  readonly service: TestService;
  /** Calls of the administrator. */
  readonly admin: Transport;
  readonly names: Names;
  readonly callers: Map<string, Caller>;
}

const connect = "connect-node Connect JSON";
const grpc = "connect-node gRPC, gRPC server";
const homeAccount = "acc-123";
let organizations = 0;

/** Makes what a scenario is about: the organization's administrator does, by way of the API. */
export async function setUp(service: TestService, scenario: Scenario, kind: Kind): Promise<Stage> {
  const login = await addOrganization(service.database, `stage${organizations++}`);
  const credentials = await logIn(service, login);
  const admin = transport(connect, service, [credentials]);
  const stage: Stage = { service, admin, names: new Names(), callers: new Map() };
  await nameOrganization(stage);
  await makeAccounts(stage, scenario);
  await Promise.all([
    ...Object.keys(scenario.principals).map((name) => makeCaller(stage, scenario, name, kind)),
    ...scenario.users.map((name) => makeUser(stage, name)),
    ...Object.keys(scenario.serviceAccounts).map((name) => makeOther(stage, scenario, name)),
  ]);
  await makeApiKeys(stage, scenario);
  await makeAllowlistEntries(stage, scenario);
  await makeGroups(stage, scenario);
  nameUnknown(stage, scenario);
  await makePolicies(stage, scenario);
  return stage;
}

/** Takes away what is a scenario's to be without afterwards. */
export async function takeAway(
  { admin, names }: Stage,
  { removed, detached }: NonNullable<Scenario["afterwards"]>,
): Promise<void> {
  for (const [groupId, memberId] of names.pairs(removed)) {
    await createClient(GroupService, admin).removeGroupMember({ groupId, memberId });
  }
  for (const [policyId, targetId] of names.pairs(detached)) {
    await createClient(PolicyService, admin).detachPolicy({ policyId, targetId });
  }
}

async function nameOrganization({ admin, names }: Stage): Promise<void> {
  const { principal } = await createClient(AuthService, admin).whoAmI({});
  names.add("organization", "Organization", principal?.organizationId);
}

async function makeAccounts({ admin, names }: Stage, { accounts }: Scenario): Promise<void> {
  names.add(homeAccount, "Account", homeAccount);
  for (const accountId of accounts) {
    await createClient(AccountService, admin).createAccount({ accountId });
    names.add(accountId, "Account", accountId);
  }
}

async function makeCaller(
  { service, admin, names, callers }: Stage,
  { principals }: Scenario,
  name: string,
  kind: Kind,
): Promise<void> {
  const { permissions = [], account: accountId = homeAccount, key } = principals[name] ?? {};
  const made =
    kind === "user"
      ? await newUser(service, admin, { name, permissions })
      : await newServiceAccount(admin, { name, permissions, accountId, key });
  const transports = [grpc, connect].map((way) => transport(way, service, [made.credentials]));
  callers.set(name, { ...made, transports });
  names.add(name, kind === "user" ? "User" : "ServiceAccount", made.id);
  if (made.apiKeyId !== "") names.add(`${name}-key`, "ApiKey", made.apiKeyId);
}

async function makeUser({ admin, names }: Stage, name: string): Promise<void> {
  const email = `${name}@myorg.example`;
  const { user } = await createClient(UserService, admin).createUser({ name, email });
  names.add(name, "User", user?.id);
}

async function makeOther(
  { admin, names }: Stage,
  { serviceAccounts }: Scenario,
  name: string,
): Promise<void> {
  const client = createClient(ServiceAccountService, admin);
  const accountId = serviceAccounts[name]?.account ?? homeAccount;
  const { serviceAccount } = await client.createServiceAccount({ name, accountId });
  names.add(name, "ServiceAccount", serviceAccount?.id);
}

async function makeApiKeys({ admin, names }: Stage, { apiKeys }: Scenario): Promise<void> {
  for (const [name, { of: owner, labels }] of Object.entries(apiKeys)) {
    const request = { name, labels, serviceAccountId: names.id(owner) };
    const { apiKey } = await createClient(ApiKeyService, admin).issueApiKey(request);
    names.add(name, "ApiKey", apiKey?.id);
  }
}

async function makeAllowlistEntries(
  { admin, names }: Stage,
  { allowlistEntries }: Scenario,
): Promise<void> {
  const client = createClient(AllowlistService, admin);
  for (const [name, owner] of Object.entries(allowlistEntries)) {
    // Everybody is on it, so that nobody is refused for it.
    const request = { resourceId: names.id(owner), cidr: "0.0.0.0/0" };
    const { allowlistEntry } = await client.createAllowlistEntry(request);
    names.add(name, "AllowlistEntry", allowlistEntry?.id);
  }
}

async function makeGroups({ admin, names }: Stage, { groups }: Scenario): Promise<void> {
  const client = createClient(GroupService, admin);
  for (const name of Object.keys(groups)) {
    const { group } = await client.createGroup({ name });
    names.add(name, "Group", group?.id);
  }
  for (const [groupId, memberId] of names.pairs(groups)) {
    await client.addGroupMember({ groupId, memberId });
  }
}

function nameUnknown({ names }: Stage, { unknown }: Scenario): void {
  for (const [name, type] of Object.entries(unknown)) {
    names.add(name, type, type === "Account" ? name : newId(idPrefixes[type]));
  }
}

async function makePolicies({ admin, names }: Stage, scenario: Scenario): Promise<void> {
  const { policies, managedPolicies, applicationSchema: applicationText } = scenario;
  const client = createClient(PolicyService, admin);
  if (applicationText !== "") await client.updatePolicySchema({ applicationText });
  for (const [name, { text }] of Object.entries(policies)) {
    const { policy } = await client.createPolicy({ name, text: names.written(text) });
    names.add(name, "Policy", policy?.id);
  }
  for (const id of Object.keys(managedPolicies)) names.add(id, "Policy", id);
  const own = Object.entries(policies).map(([name, { attachedTo }]) => [name, attachedTo] as const);
  const attached = { ...Object.fromEntries(own), ...managedPolicies };
  for (const [policyId, targetId] of names.pairs(attached)) {
    await client.attachPolicy({ policyId, targetId });
  }
}

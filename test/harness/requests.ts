import type { Transport } from "@connectrpc/connect";
import { AuditExportFormat } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { newId } from "../../src/ids.ts";
import { signedTransport, transport } from "./clients.ts";
import { invoke } from "./invoke.ts";
import { administrator, type TestKey, type TestService } from "./service.ts";

const connect = "connect-node Connect JSON";
/** Where nobody listens. */
const deadUrl = "http://127.0.0.1:1/";

/** Makes a valid request, and first whatever it is about. */
type MakeRequest = () => object | Promise<object>;

/** Who takes part in the requests of a test. */
interface Parties {
  /** May do everything. */
  key: TestKey;
  /** May do nothing. */
  powerless: TestKey;
}

/** A valid request of each RPC. Each can be made again and again, and is carried out every time. */
export function validRequests(
  service: TestService,
  { key, powerless }: Parties,
): Record<string, MakeRequest> {
  const make = new Maker(service, key);
  const { serviceAccountId, apiKeyId } = powerless;
  const check = {
    principalId: serviceAccountId,
    action: "GetAccount",
    resource: { type: "Account", id: "acc-123" },
  };
  const renamed = { name: "Renamed", updateMask: { paths: ["name"] } };
  const redescribed = { description: "Changed", updateMask: { paths: ["description"] } };
  return {
    Login: () => administrator,
    RefreshSession: () => make.session(),
    Logout: () => ({}),
    AcceptInvitation: () => make.invitation(),
    WhoAmI: () => ({}),
    GetOrganization: () => ({}),
    UpdateOrganization: () => renamed,
    CreateAccount: () => ({ accountId: newName("acc") }),
    GetAccount: () => ({ accountId: "acc-123" }),
    ListAccounts: () => ({}),
    CreateUser: () => ({ email: `${newName("user")}@myorg.example` }),
    InviteUser: () => make.user(),
    GetUser: () => make.user(),
    ListUsers: () => ({}),
    UpdateUser: async () => ({ ...(await make.user()), ...renamed }),
    DisableUser: () => make.user(),
    EnableUser: () => make.after("DisableUser", make.user()),
    DeleteUser: () => make.user(),
    CreateGroup: () => ({ name: newName("Group") }),
    GetGroup: () => make.group(),
    ListGroups: () => ({}),
    UpdateGroup: async () => ({ ...(await make.group()), ...redescribed }),
    DeleteGroup: () => make.group(),
    AddGroupMember: () => make.groupMember(),
    RemoveGroupMember: () => make.after("AddGroupMember", make.groupMember()),
    ListGroupMembers: () => make.group(),
    CreatePolicy: () => ({ name: newName("Policy"), text }),
    GetPolicy: () => make.policy(),
    ListPolicies: () => ({}),
    UpdatePolicy: async () => ({ ...(await make.policy()), ...redescribed }),
    DeletePolicy: () => make.policy(),
    AttachPolicy: () => make.attachment(),
    DetachPolicy: () => make.after("AttachPolicy", make.attachment()),
    ListPolicyAttachments: () => ({}),
    TestPolicyChange: async () => ({ ...(await make.policy()), attachTo: [serviceAccountId] }),
    GetPolicySchema: () => ({}),
    UpdatePolicySchema: () => ({ applicationText: "" }),
    Authorize: () => ({ check }),
    BatchAuthorize: () => ({ checks: [check] }),
    ExplainAccess: () => ({ question: { case: "check", value: check } }),
    ListEffectivePermissions: () => ({ principalId: serviceAccountId }),
    CreateServiceAccount: () => ({ accountId: "acc-123", name: "Walked" }),
    GetServiceAccount: () => ({ serviceAccountId }),
    ListServiceAccounts: () => ({}),
    UpdateServiceAccount: () => ({ serviceAccountId, ...renamed }),
    DisableServiceAccount: () => make.serviceAccount(),
    EnableServiceAccount: () => make.after("DisableServiceAccount", make.serviceAccount()),
    DeleteServiceAccount: () => make.serviceAccount(),
    UndeleteServiceAccount: () => make.after("DeleteServiceAccount", make.serviceAccount()),
    IssueApiKey: () => make.serviceAccount(),
    GetApiKey: () => ({ apiKeyId }),
    ListApiKeys: () => ({ serviceAccountId }),
    UpdateApiKey: () => ({ apiKeyId, ...renamed }),
    DisableApiKey: () => make.apiKey(),
    EnableApiKey: () => make.after("DisableApiKey", make.apiKey()),
    RotateApiKey: () => make.apiKey(),
    RetireApiKey: () => make.after("RotateApiKey", make.apiKey()),
    RevokeApiKey: () => make.apiKey(),
    GetApiKeyUsage: () => ({ apiKeyId }),
    ReportLeakedKey: async () => ({ secretKey: (await service.issueKey([])).secretKey }),
    CreateAllowlistEntry: () => make.allowlist(),
    GetAllowlistEntry: () => make.allowlistEntry(),
    ListAllowlistEntries: () => ({ resourceId: apiKeyId }),
    UpdateAllowlistEntry: async () => ({ ...(await make.allowlistEntry()), ...redescribed }),
    DeleteAllowlistEntry: () => make.allowlistEntry(),
    GetAllowlist: () => ({ resourceId: apiKeyId }),
    UpdateAllowlist: () => ({ resourceId: apiKeyId, reportOnly: true }),
    TestAddress: () => ({ resourceId: apiKeyId, address: "192.0.2.1" }),
    SuggestAllowlistEntries: () => ({ resourceId: apiKeyId }),
    ListAuditEvents: () => ({}),
    GetAuditEvent: () => make.auditEvent(),
    GetCheckpoint: () => ({}),
    GetConsistencyProof: () => ({ oldSize: 1n }),
    TailAuditEvents: () => ({}),
    ExportAuditEvents: () => ({ format: AuditExportFormat.JSON_LINES }),
    EraseAuditPersonalData: () => ({ principalId: serviceAccountId }),
    CreateAuditSink: () => ({ url: deadUrl }),
    GetAuditSink: () => make.auditSink(),
    ListAuditSinks: () => ({}),
    UpdateAuditSink: async () => ({
      ...(await make.auditSink()),
      enabled: false,
      updateMask: { paths: ["enabled"] },
    }),
    RotateAuditSinkSecret: () => make.auditSink(),
    DeleteAuditSink: () => make.auditSink(),
    ListFailedDeliveries: () => make.auditSink(),
    RetryFailedDelivery: () => make.failedDelivery(),
  };
}

const text = 'permit (principal, action == Action::"GetAccount", resource);';

let made = 0;

function newName(kind: string): string {
  return `${kind}-${made++}`;
}

/** Makes what requests are about, and names it as they do. */
class Maker {
  readonly #service: TestService;
  readonly #signed: Transport;

  constructor(service: TestService, key: TestKey) {
    this.#service = service;
    this.#signed = signedTransport(connect, service, key);
  }

  /** A request, once another call was made with the same. */
  async after(action: string, request: object | Promise<object>): Promise<object> {
    await this.#invoke(action, await request);
    return request;
  }

  async session() {
    const anonymous = transport(connect, this.#service);
    const answer = await invoke("Login", administrator, anonymous);
    const { tokens } = answer as { tokens: { refreshToken: string } };
    return { refreshToken: tokens.refreshToken };
  }

  /** A user who is not invited yet. */
  async user() {
    const email = `${newName("user")}@myorg.example`;
    const { user } = await this.#invoke<{ user: { id: string } }>("CreateUser", { email });
    return { userId: user.id };
  }

  async invitation() {
    const request = await this.user();
    const answer = await this.#invoke<{ invitationToken: string }>("InviteUser", request);
    return { invitationToken: answer.invitationToken, password: "a long enough password" };
  }

  /** A group without members. */
  async group() {
    const request = { name: newName("Group") };
    const { group } = await this.#invoke<{ group: { id: string } }>("CreateGroup", request);
    return { groupId: group.id };
  }

  /** Who may be made a member. */
  async groupMember() {
    const { serviceAccountId: memberId } = await this.serviceAccount();
    return { ...(await this.group()), memberId };
  }

  /** A policy that is attached to nothing. */
  async policy() {
    const request = { name: newName("Policy"), text };
    const { policy } = await this.#invoke<{ policy: { id: string } }>("CreatePolicy", request);
    return { policyId: policy.id };
  }

  /** What may be attached. */
  async attachment() {
    return { ...(await this.policy()), targetId: (await this.group()).groupId };
  }

  /** A service account that may do nothing. */
  async serviceAccount() {
    return { serviceAccountId: (await this.#service.issueKey([])).serviceAccountId };
  }

  async apiKey() {
    return { apiKeyId: (await this.#service.issueKey([])).apiKeyId };
  }

  /** An allowlist that nobody is held to, and an entry for it. */
  async allowlist() {
    return { resourceId: (await this.apiKey()).apiKeyId, cidr: "192.0.2.0/24" };
  }

  async allowlistEntry() {
    const answer = await this.#invoke<{ allowlistEntry: { id: string } }>(
      "CreateAllowlistEntry",
      await this.allowlist(),
    );
    return { allowlistEntryId: answer.allowlistEntry.id };
  }

  /** The first event of the log. */
  async auditEvent() {
    const action = "CreateFirstOrganization";
    const [event] = await Array.fromAsync(this.#service.admin.auditEvents.list({ action }));
    return { auditEventId: event?.id };
  }

  /** A sink that delivers nothing. */
  async auditSink() {
    const { auditSink } = await this.#invoke<{ auditSink: { id: string } }>("CreateAuditSink", {
      url: deadUrl,
    });
    const auditSinkId = auditSink.id;
    const updateMask = { paths: ["enabled"] };
    await this.#invoke("UpdateAuditSink", { auditSinkId, enabled: false, updateMask });
    return { auditSinkId };
  }

  /** A delivery of such a sink that was given up. */
  async failedDelivery() {
    const { auditSinkId } = await this.auditSink();
    const failedDeliveryId = newId("dlv");
    await this.#service.database.query(
      `insert into audit_failed_deliveries
        (id, organization_id, sink_id, first_sequence, last_sequence, attempts, last_error)
        values ($1, $2, $3, 1, 1, 12, 'It failed.')`,
      [failedDeliveryId, this.#service.organizationId, auditSinkId],
    );
    return { failedDeliveryId };
  }

  async #invoke<Answer>(action: string, request: object): Promise<Answer> {
    return (await invoke(action, request, this.#signed)) as Answer;
  }
}

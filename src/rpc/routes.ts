import type { DescMethodServerStreaming, DescMethodUnary } from "@bufbuild/protobuf";
import { AccessService } from "../../gen/pdaas/v1/access_service_pb.ts";
import { AccountService } from "../../gen/pdaas/v1/account_service_pb.ts";
import { AllowlistService } from "../../gen/pdaas/v1/allowlist_service_pb.ts";
import { ApiKeyService } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import { AuditService } from "../../gen/pdaas/v1/audit_service_pb.ts";
import { AuditSinkService } from "../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { AuthService } from "../../gen/pdaas/v1/auth_service_pb.ts";
import { GroupService } from "../../gen/pdaas/v1/group_service_pb.ts";
import { OrganizationService } from "../../gen/pdaas/v1/organization_service_pb.ts";
import { PolicyService } from "../../gen/pdaas/v1/policy_service_pb.ts";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { UserService } from "../../gen/pdaas/v1/user_service_pb.ts";
import { type Method, methodOf } from "../contract.ts";
import { authorize } from "./access/authorize.ts";
import { batchAuthorize } from "./access/batch-authorize.ts";
import { explainAccess } from "./access/explain-access.ts";
import { listEffectivePermissions } from "./access/list-effective-permissions.ts";
import { createAccount } from "./account/create-account.ts";
import { getAccount } from "./account/get-account.ts";
import { listAccounts } from "./account/list-accounts.ts";
import { createAllowlistEntry } from "./allowlist/create-allowlist-entry.ts";
import { deleteAllowlistEntry } from "./allowlist/delete-allowlist-entry.ts";
import { getAllowlist } from "./allowlist/get-allowlist.ts";
import { getAllowlistEntry } from "./allowlist/get-allowlist-entry.ts";
import { listAllowlistEntries } from "./allowlist/list-allowlist-entries.ts";
import { suggestAllowlistEntries } from "./allowlist/suggest-allowlist-entries.ts";
import { testAddress } from "./allowlist/test-address.ts";
import { updateAllowlist } from "./allowlist/update-allowlist.ts";
import { updateAllowlistEntry } from "./allowlist/update-allowlist-entry.ts";
import { disableApiKey } from "./api-key/disable-api-key.ts";
import { enableApiKey } from "./api-key/enable-api-key.ts";
import { getApiKey } from "./api-key/get-api-key.ts";
import { getApiKeyUsage } from "./api-key/get-api-key-usage.ts";
import { issueApiKey } from "./api-key/issue-api-key.ts";
import { listApiKeys } from "./api-key/list-api-keys.ts";
import { reportLeakedKey } from "./api-key/report-leaked-key.ts";
import { retireApiKey } from "./api-key/retire-api-key.ts";
import { revokeApiKey } from "./api-key/revoke-api-key.ts";
import { rotateApiKey } from "./api-key/rotate-api-key.ts";
import { updateApiKey } from "./api-key/update-api-key.ts";
import { eraseAuditPersonalData } from "./audit/erase-audit-personal-data.ts";
import { exportAuditEvents } from "./audit/export-audit-events.ts";
import { getAuditEvent } from "./audit/get-audit-event.ts";
import { getCheckpoint } from "./audit/get-checkpoint.ts";
import { getConsistencyProof } from "./audit/get-consistency-proof.ts";
import { listAuditEvents } from "./audit/list-audit-events.ts";
import { tailAuditEvents } from "./audit/tail-audit-events.ts";
import { createAuditSink } from "./audit-sink/create-audit-sink.ts";
import { deleteAuditSink } from "./audit-sink/delete-audit-sink.ts";
import { getAuditSink } from "./audit-sink/get-audit-sink.ts";
import { listAuditSinks } from "./audit-sink/list-audit-sinks.ts";
import { listFailedDeliveries } from "./audit-sink/list-failed-deliveries.ts";
import { retryFailedDelivery } from "./audit-sink/retry-failed-delivery.ts";
import { rotateAuditSinkSecret } from "./audit-sink/rotate-audit-sink-secret.ts";
import { updateAuditSink } from "./audit-sink/update-audit-sink.ts";
import { acceptInvitation } from "./auth/accept-invitation.ts";
import { login } from "./auth/login.ts";
import { logout } from "./auth/logout.ts";
import { refreshSession } from "./auth/refresh-session.ts";
import { whoAmI } from "./auth/who-am-i.ts";
import { addGroupMember } from "./group/add-group-member.ts";
import { createGroup } from "./group/create-group.ts";
import { deleteGroup } from "./group/delete-group.ts";
import { getGroup } from "./group/get-group.ts";
import { listGroupMembers } from "./group/list-group-members.ts";
import { listGroups } from "./group/list-groups.ts";
import { removeGroupMember } from "./group/remove-group-member.ts";
import { updateGroup } from "./group/update-group.ts";
import type { Handler, StreamHandler } from "./handler.ts";
import { getOrganization } from "./organization/get-organization.ts";
import { updateOrganization } from "./organization/update-organization.ts";
import { attachPolicy } from "./policy/attach-policy.ts";
import { createPolicy } from "./policy/create-policy.ts";
import { deletePolicy } from "./policy/delete-policy.ts";
import { detachPolicy } from "./policy/detach-policy.ts";
import { getPolicy } from "./policy/get-policy.ts";
import { getPolicySchema } from "./policy/get-policy-schema.ts";
import { listPolicies } from "./policy/list-policies.ts";
import { listPolicyAttachments } from "./policy/list-policy-attachments.ts";
import { testPolicyChange } from "./policy/test-policy-change.ts";
import { updatePolicy } from "./policy/update-policy.ts";
import { updatePolicySchema } from "./policy/update-policy-schema.ts";
import { createServiceAccount } from "./service-account/create-service-account.ts";
import { deleteServiceAccount } from "./service-account/delete-service-account.ts";
import { disableServiceAccount } from "./service-account/disable-service-account.ts";
import { enableServiceAccount } from "./service-account/enable-service-account.ts";
import { getServiceAccount } from "./service-account/get-service-account.ts";
import { listServiceAccounts } from "./service-account/list-service-accounts.ts";
import { undeleteServiceAccount } from "./service-account/undelete-service-account.ts";
import { updateServiceAccount } from "./service-account/update-service-account.ts";
import { createUser } from "./user/create-user.ts";
import { deleteUser } from "./user/delete-user.ts";
import { disableUser } from "./user/disable-user.ts";
import { enableUser } from "./user/enable-user.ts";
import { getUser } from "./user/get-user.ts";
import { inviteUser } from "./user/invite-user.ts";
import { listUsers } from "./user/list-users.ts";
import { updateUser } from "./user/update-user.ts";

/** An RPC and what serves it. */
export type Route = UnaryRoute | StreamRoute;

/** Answers with one message. */
export interface UnaryRoute {
  readonly kind: "unary";
  readonly method: Method;
  readonly handler: Handler<DescMethodUnary>;
}

/** Answers with a stream of messages. */
export interface StreamRoute {
  readonly kind: "stream";
  readonly method: Method;
  readonly handler: StreamHandler<DescMethodServerStreaming>;
}

/** Every RPC that both servers serve. */
export const routes: readonly Route[] = [
  route(AuthService.method.login, login),
  route(AuthService.method.refreshSession, refreshSession),
  route(AuthService.method.logout, logout),
  route(AuthService.method.acceptInvitation, acceptInvitation),
  route(AuthService.method.whoAmI, whoAmI),
  route(OrganizationService.method.getOrganization, getOrganization),
  route(OrganizationService.method.updateOrganization, updateOrganization),
  route(AccountService.method.createAccount, createAccount),
  route(AccountService.method.getAccount, getAccount),
  route(AccountService.method.listAccounts, listAccounts),
  route(UserService.method.createUser, createUser),
  route(UserService.method.inviteUser, inviteUser),
  route(UserService.method.getUser, getUser),
  route(UserService.method.listUsers, listUsers),
  route(UserService.method.updateUser, updateUser),
  route(UserService.method.disableUser, disableUser),
  route(UserService.method.enableUser, enableUser),
  route(UserService.method.deleteUser, deleteUser),
  route(GroupService.method.createGroup, createGroup),
  route(GroupService.method.getGroup, getGroup),
  route(GroupService.method.listGroups, listGroups),
  route(GroupService.method.updateGroup, updateGroup),
  route(GroupService.method.deleteGroup, deleteGroup),
  route(GroupService.method.addGroupMember, addGroupMember),
  route(GroupService.method.removeGroupMember, removeGroupMember),
  route(GroupService.method.listGroupMembers, listGroupMembers),
  route(PolicyService.method.createPolicy, createPolicy),
  route(PolicyService.method.getPolicy, getPolicy),
  route(PolicyService.method.listPolicies, listPolicies),
  route(PolicyService.method.updatePolicy, updatePolicy),
  route(PolicyService.method.deletePolicy, deletePolicy),
  route(PolicyService.method.attachPolicy, attachPolicy),
  route(PolicyService.method.detachPolicy, detachPolicy),
  route(PolicyService.method.listPolicyAttachments, listPolicyAttachments),
  route(PolicyService.method.testPolicyChange, testPolicyChange),
  route(PolicyService.method.getPolicySchema, getPolicySchema),
  route(PolicyService.method.updatePolicySchema, updatePolicySchema),
  route(AccessService.method.authorize, authorize),
  route(AccessService.method.batchAuthorize, batchAuthorize),
  route(AccessService.method.explainAccess, explainAccess),
  route(AccessService.method.listEffectivePermissions, listEffectivePermissions),
  route(ServiceAccountService.method.createServiceAccount, createServiceAccount),
  route(ServiceAccountService.method.getServiceAccount, getServiceAccount),
  route(ServiceAccountService.method.listServiceAccounts, listServiceAccounts),
  route(ServiceAccountService.method.updateServiceAccount, updateServiceAccount),
  route(ServiceAccountService.method.disableServiceAccount, disableServiceAccount),
  route(ServiceAccountService.method.enableServiceAccount, enableServiceAccount),
  route(ServiceAccountService.method.deleteServiceAccount, deleteServiceAccount),
  route(ServiceAccountService.method.undeleteServiceAccount, undeleteServiceAccount),
  route(ApiKeyService.method.issueApiKey, issueApiKey),
  route(ApiKeyService.method.getApiKey, getApiKey),
  route(ApiKeyService.method.listApiKeys, listApiKeys),
  route(ApiKeyService.method.updateApiKey, updateApiKey),
  route(ApiKeyService.method.disableApiKey, disableApiKey),
  route(ApiKeyService.method.enableApiKey, enableApiKey),
  route(ApiKeyService.method.rotateApiKey, rotateApiKey),
  route(ApiKeyService.method.retireApiKey, retireApiKey),
  route(ApiKeyService.method.revokeApiKey, revokeApiKey),
  route(ApiKeyService.method.getApiKeyUsage, getApiKeyUsage),
  route(ApiKeyService.method.reportLeakedKey, reportLeakedKey),
  route(AllowlistService.method.createAllowlistEntry, createAllowlistEntry),
  route(AllowlistService.method.getAllowlistEntry, getAllowlistEntry),
  route(AllowlistService.method.listAllowlistEntries, listAllowlistEntries),
  route(AllowlistService.method.updateAllowlistEntry, updateAllowlistEntry),
  route(AllowlistService.method.deleteAllowlistEntry, deleteAllowlistEntry),
  route(AllowlistService.method.getAllowlist, getAllowlist),
  route(AllowlistService.method.updateAllowlist, updateAllowlist),
  route(AllowlistService.method.testAddress, testAddress),
  route(AllowlistService.method.suggestAllowlistEntries, suggestAllowlistEntries),
  route(AuditService.method.listAuditEvents, listAuditEvents),
  route(AuditService.method.getAuditEvent, getAuditEvent),
  route(AuditService.method.getCheckpoint, getCheckpoint),
  route(AuditService.method.getConsistencyProof, getConsistencyProof),
  stream(AuditService.method.tailAuditEvents, tailAuditEvents),
  route(AuditService.method.eraseAuditPersonalData, eraseAuditPersonalData),
  route(AuditSinkService.method.createAuditSink, createAuditSink),
  route(AuditSinkService.method.getAuditSink, getAuditSink),
  route(AuditSinkService.method.listAuditSinks, listAuditSinks),
  route(AuditSinkService.method.updateAuditSink, updateAuditSink),
  route(AuditSinkService.method.rotateAuditSinkSecret, rotateAuditSinkSecret),
  route(AuditSinkService.method.deleteAuditSink, deleteAuditSink),
  route(AuditSinkService.method.listFailedDeliveries, listFailedDeliveries),
  route(AuditSinkService.method.retryFailedDelivery, retryFailedDelivery),
  stream(AuditService.method.exportAuditEvents, exportAuditEvents),
];

function route<M extends DescMethodUnary>(desc: M, handler: Handler<M>): Route {
  const unary = handler as unknown as Handler<DescMethodUnary>;
  return { kind: "unary", method: methodOf(desc), handler: unary };
}

function stream<M extends DescMethodServerStreaming>(desc: M, handler: StreamHandler<M>): Route {
  const streaming = handler as unknown as StreamHandler<DescMethodServerStreaming>;
  return { kind: "stream", method: methodOf(desc), handler: streaming };
}

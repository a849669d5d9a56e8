import { createClient } from "@connectrpc/connect";
import { afterAll, beforeAll, expect, test } from "vitest";
import { AccessService } from "../../gen/pdaas/v1/access_service_pb.ts";
import { PolicyService } from "../../gen/pdaas/v1/policy_service_pb.ts";
import { refusalOf, signedTransport } from "../harness/clients.ts";
import { type TestKey, TestService } from "../harness/service.ts";

// Questions about calls that the audit log has.

const grpc = "connect-node gRPC, gRPC server";
let service: TestService;
let key: TestKey;
let refused: TestKey;

beforeAll(async () => {
  service = await TestService.start();
  key = await service.issueKey();
  refused = await service.issueKey([]);
});
afterAll(() => service[Symbol.asyncDispose]());

/** The request of a call that is refused. */
async function refusedRequest(): Promise<string> {
  await refusalOf(service.signed(refused).accounts.get({ accountId: "acc-123" }));
  const events = await service.auditRows("principal_id = $1", [refused.serviceAccountId], 1);
  return events.at(-1)?.request_id ?? "";
}

test("a recorded call is explained by its request", async () => {
  const requestId = await refusedRequest();
  const access = createClient(AccessService, signedTransport(grpc, service, key));
  const answer = await access.explainAccess({ question: { case: "requestId", value: requestId } });
  expect(answer.recordedReason).toBe("PERMISSION_MISSING");
  expect(answer.check).toMatchObject({
    principalId: refused.serviceAccountId,
    action: "GetAccount",
    resource: { type: "Account", id: "acc-123" },
    address: "127.0.0.1",
  });
});

test("a policy is tried on the calls that were recorded", async () => {
  await refusedRequest();
  const policies = createClient(PolicyService, signedTransport(grpc, service, key));
  const answer = await policies.testPolicyChange({
    text: 'permit (principal, action == Action::"GetAccount", resource);',
    attachTo: [refused.serviceAccountId],
  });
  expect(answer.changes.map(({ principalId, action }) => [principalId, action])).toContainEqual([
    refused.serviceAccountId,
    "GetAccount",
  ]);
  expect(answer.changes[0]).toMatchObject({ permittedNow: false, permittedThen: true });
});

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { expect, onTestFinished, test, vi } from "vitest";
import { OrganizationService } from "../../../gen/pdaas/v1/organization_service_pb.ts";
import { Client } from "../src/index.ts";
import { refusal } from "./support/refusal.ts";
import { startServer } from "./support/server.ts";
import { verify } from "./support/verify.ts";

const key = { accessKey: "sa_myorg_acc123_test", secretKey: "sk_test" };
const clientTime = 1_700_000_000;

function freezeClient(): void {
  vi.useFakeTimers({ toFake: ["Date"], now: clientTime * 1_000 });
  onTestFinished(() => void vi.useRealTimers());
}

/** A service whose clock stands at a time of its own. */
async function serve(serverTime: () => number, told: (time: number) => Record<string, string>) {
  const organization = { id: "org_1", createTime: timestampFromMs(0) };
  const routes = (router: ConnectRouter) => {
    router.service(OrganizationService, {
      getOrganization: (_, context) => {
        const input = context.requestHeader.get("signature-input") ?? "";
        const created = Number(/;created=(\d+)/.exec(input)?.[1]);
        const now = serverTime();
        if (Math.abs(created - now) <= 30) return { organization };
        const reason = created < now ? "SIGNATURE_EXPIRED" : "SIGNATURE_NOT_YET_VALID";
        throw refusal(Code.Unauthenticated, reason, { metadata: told(now) });
      },
    });
  };
  const server = await startServer(routes);
  return { server, client: new Client({ baseUrl: server.baseUrl, ...key }) };
}

const tell = (time: number) => ({ server_time: String(time) });

test.each([
  ["an hour behind", clientTime + 3_600],
  ["a day ahead", clientTime - 86_400],
])("the client's clock is %s: corrected once, and right from then on", async (_, serverTime) => {
  freezeClient();
  const { server, client } = await serve(() => serverTime, tell);
  await client.organizations.getInfo();
  await client.organizations.getInfo();
  const signatures = server.requests.map((request) => verify(request, key));
  expect(signatures.map(({ created }) => created)).toEqual([clientTime, serverTime, serverTime]);
  expect(new Set(signatures.map(({ nonce }) => nonce)).size).toBe(3);
});

test("the correction does not help: told after the second attempt", async () => {
  freezeClient();
  let serverTime = clientTime;
  const { server, client } = await serve(() => {
    serverTime += 1_000;
    return serverTime;
  }, tell);
  await expect(client.organizations.getInfo()).rejects.toMatchObject({
    reason: "SIGNATURE_EXPIRED",
  });
  expect(server.requests).toHaveLength(2);
});

test.each([
  ["no time", {}],
  ["no number", { server_time: "soon" }],
])("the refusal tells %s: told at once, and the clock stays", async (_, metadata) => {
  freezeClient();
  const { server, client } = await serve(
    () => clientTime + 3_600,
    () => metadata,
  );
  for (const attempts of [1, 2]) {
    await expect(client.organizations.getInfo()).rejects.toMatchObject({ code: "unauthenticated" });
    expect(server.requests).toHaveLength(attempts);
  }
  const created = server.requests.map((request) => verify(request, key).created);
  expect(created).toEqual([clientTime, clientTime]);
});

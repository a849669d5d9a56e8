import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { create, type DescMethodUnary, type MessageInitShape } from "@bufbuild/protobuf";
import { ApiKeyService } from "../../gen/pdaas/v1/api_key_service_pb.ts";
import { ServiceAccountService } from "../../gen/pdaas/v1/service_account_service_pb.ts";
import { methodOf } from "../contract.ts";
import type { Principal } from "../iam/principal.ts";
import { issueApiKey } from "../rpc/api-key/issue-api-key.ts";
import type { App } from "../rpc/app.ts";
import { Call } from "../rpc/call.ts";
import type { Handler } from "../rpc/handler.ts";
import { createServiceAccount } from "../rpc/service-account/create-service-account.ts";

/** A key of the demo service account. */
export interface Demo {
  accessKey: string;
  secretKey: string;
}

/** Makes a service account to try things out with, by the handlers that serve everybody. */
export async function createDemo(
  app: App,
  administrator: Principal,
  accountId: string,
): Promise<Demo> {
  const { serviceAccount } = await act(
    app,
    administrator,
    ServiceAccountService.method.createServiceAccount,
    createServiceAccount,
    {
      accountId,
      name: "Demo",
      description: "Made at the first start, to try signed calls with.",
      permissions: ["ServiceAccounts.read"],
    },
  );
  const { apiKey, secretKey } = await act(
    app,
    administrator,
    ApiKeyService.method.issueApiKey,
    issueApiKey,
    { serviceAccountId: serviceAccount?.id ?? "", description: "demo.env" },
  );
  return { accessKey: apiKey?.accessKey ?? "", secretKey: secretKey ?? "" };
}

const demoEnv = (dataDir: string) => join(dataDir, "demo.env");

/** Writes what a client takes its key from, for its owner only. */
export async function writeDemoEnv(dataDir: string, url: string, demo: Demo): Promise<void> {
  const lines = [
    `PDAAS_API_URL=${url}`,
    `PDAAS_ACCESS_KEY=${demo.accessKey}`,
    `PDAAS_SECRET_KEY=${demo.secretKey}`,
  ];
  await writeFile(demoEnv(dataDir), `${lines.join("\n")}\n`, { mode: 0o600 });
}

/** Puts the service's URL into a file that an earlier start has left, unless it was removed. */
export async function moveDemoEnv(dataDir: string, url: string): Promise<void> {
  if (!existsSync(demoEnv(dataDir))) return;
  const text = await readFile(demoEnv(dataDir), "utf8");
  await writeFile(demoEnv(dataDir), text.replace(/^PDAAS_API_URL=.*$/m, `PDAAS_API_URL=${url}`));
}

/** Calls a handler as a principal that did not come over the wire. */
async function act<M extends DescMethodUnary>(
  app: App,
  principal: Principal,
  desc: M,
  handler: Handler<M>,
  request: MessageInitShape<M["input"]>,
): Promise<MessageInitShape<M["output"]>> {
  const call = new Call({
    method: methodOf(desc),
    head: { method: "", authority: "", target: "", header: () => undefined },
    address: "",
    liveness: { cancelled: false, deadline: Number.POSITIVE_INFINITY },
  });
  call.authenticated(principal);
  return handler(app, call, create(desc.input, request) as never);
}

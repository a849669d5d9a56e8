import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Caller } from "../../gen/pdaas/v1/access_pb.ts";
import { type Method, methods } from "../../src/contract.ts";
import { managedPolicies } from "../../src/iam/managed-policies.ts";
import { refusalIfAny, transport } from "../harness/clients.ts";
import { invoke } from "../harness/invoke.ts";
import { logIn, newServiceAccount, newUser, type TestPrincipal } from "../harness/principals.ts";
import { validRequests } from "../harness/requests.ts";
import { administrator, TestService } from "../harness/service.ts";

const connect = "connect-node Connect JSON";

/** A user and a service account who hold one managed policy, and nothing else. */
interface Holders {
  user: TestPrincipal;
  serviceAccount: TestPrincipal;
}

let service: TestService;
let requests: ReturnType<typeof validRequests>;
let holders: Holders[];

beforeAll(async () => {
  service = await TestService.start();
  const parties = { key: await service.issueKey(["*"]), powerless: await service.issueKey([]) };
  requests = validRequests(service, parties);
  holders = await Promise.all(managedPolicies.map(({ id }) => holdersOf(id)));
});
afterAll(() => service[Symbol.asyncDispose]());

async function holdersOf(policyId: string): Promise<Holders> {
  const admin = transport(connect, service, [await logIn(service, administrator)]);
  const { accountId } = service.first;
  const user = await newUser(service, admin, { name: policyId });
  const serviceAccount = await newServiceAccount(admin, { name: policyId, accountId });
  for (const { id: targetId } of [user, serviceAccount]) {
    await invoke("AttachPolicy", { policyId, targetId }, admin);
  }
  return { user, serviceAccount };
}

test("who may call what is as it was agreed", { timeout: 120_000 }, async () => {
  const cells = new Map<Method, string[]>();
  // Logout ends the session that the others use.
  const order = [...methods.values()].sort(
    (a, b) => Number(a.action === "Logout") - Number(b.action === "Logout"),
  );
  for (const method of order) cells.set(method, await cellsOf(method));
  const rows = [...methods.values()].map((method) => [
    ...contractCells(method),
    ...(cells.get(method) ?? []),
  ]);
  const golden = new URL("../golden/permissions.txt", import.meta.url);
  expect(asTable([...header(), ...rows])).toBe(readFileSync(golden, "utf8"));
});

function contractCells({ action, callers, access }: Method): string[] {
  const names = Object.entries(Caller).flatMap(([name, caller]) =>
    callers.has(caller as Caller) ? [name.toLowerCase()] : [],
  );
  return [action, names.join("+"), access.permission || "-", access.changesAccess ? "yes" : "-"];
}

/** Two lines, since the names of policies are long. */
function header(): string[][] {
  const names = ["RPC", "callers", "permission", "changes access"];
  const all = [...names, ...managedPolicies.map(({ name }) => name.toLowerCase())];
  const lastWords = all.map((name) => name.split(" ").at(-1) ?? "");
  return [all.map((name, i) => name.slice(0, -(lastWords[i]?.length ?? 0)).trim()), lastWords];
}

function asTable(rows: string[][]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  return lines.map((line) => `${line.trimEnd()}\n`).join("");
}

/** What each managed policy lets its holders do; both answers where they do not agree. */
async function cellsOf({ action, callers }: Method): Promise<string[]> {
  const cells: string[] = [];
  const isOpen = callers.has(Caller.ANONYMOUS);
  let request: object | undefined;
  for (const { user, serviceAccount } of holders) {
    const able = [
      ...(isOpen || callers.has(Caller.SESSION) ? [user] : []),
      ...(isOpen || callers.has(Caller.SIGNATURE) ? [serviceAccount] : []),
    ];
    const answers = new Set<string>();
    for (const holder of able) {
      request ??= (await requests[action]?.()) ?? {};
      const isCarriedOut = await tryCall(action, request, holder);
      answers.add(isCarriedOut ? "yes" : "-");
      // One that was refused is as good as new.
      if (isCarriedOut) request = undefined;
    }
    cells.push([...answers].join("/"));
  }
  return cells;
}

/**
 * Makes a call.
 * @returns whether it was carried out, and else refused for want of a permission
 */
async function tryCall(action: string, request: object, { credentials }: TestPrincipal) {
  const call = invoke(action, request, transport(connect, service, [credentials]));
  const refusal = await refusalIfAny(call);
  if (refusal === undefined) return true;
  const { reason, message } = refusal;
  if (reason === "PERMISSION_MISSING") return false;
  throw new Error(`${action} was refused for another reason: ${message}`);
}

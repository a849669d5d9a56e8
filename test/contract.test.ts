import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { Caller } from "../gen/pdaas/v1/access_pb.ts";
import { ErrorReason } from "../gen/pdaas/v1/error_reason_pb.ts";
import { methods, permissions } from "../src/contract.ts";
import { routes } from "../src/rpc/routes.ts";

/**
 * RPCs that take no permission: they tell a caller who it is and where, or what they take is proof of
 * another kind. This list may only shrink.
 */
const withoutPermission = [
  "Login",
  "RefreshSession",
  "Logout",
  "AcceptInvitation",
  "WhoAmI",
  "GetOrganization",
  "ReportLeakedKey",
];

test("every RPC is served, and nothing else is", () => {
  expect(routes.map((route) => route.method.path).sort()).toEqual([...methods.keys()].sort());
});

test.each([...methods.values()].map((method) => [method.action, method] as const))(
  "%s says who may call it, what that takes and what it is about",
  (action, { access, callers, isRead, desc, resourceField }) => {
    expect(callers.size).toBeGreaterThan(0);
    expect(callers.has(Caller.UNSPECIFIED)).toBe(false);
    expect(access.resourceType).not.toBe("");
    expect(access.permission === "").toBe(withoutPermission.includes(action));
    expect(access.permission).toMatch(/^$|^[A-Z][A-Za-z]+\.(read|write)$/);
    if (access.permission !== "") expect(access.permission.endsWith(".read")).toBe(isRead);
    if (access.resourceField !== "") expect(resourceField).toBeDefined();
    if (isRead) expect(access.changesAccess).toBe(false);
    expect(desc.input.typeName).toBe(`pdaas.v1.${action}Request`);
    expect(desc.output.typeName).toBe(`pdaas.v1.${action}Response`);
  },
);

test("there is a permission for everything", () => {
  expect(permissions.has("*")).toBe(true);
});

test("every reason is used, or belongs to the wire profile", () => {
  // A signature cannot cover the request of such a stream, and no RPC has one.
  const reserved = ["STREAMING_BODY_UNSUPPORTED"];
  const sources = readSources(new URL("../src/", import.meta.url));
  const unused = Object.keys(ErrorReason)
    .filter((name) => Number.isNaN(Number(name)) && name !== "UNSPECIFIED")
    .filter((name) => !sources.includes(`"${name}"`));
  expect(unused.sort()).toEqual(reserved.sort());
});

function readSources(folder: URL): string {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(new URL(file, folder), "utf8"))
    .join("\n");
}

import type { SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import { expect, test } from "vitest";
import { universeOf } from "../../src/iam/actions.ts";
import { ensureCovers } from "../../src/iam/boundary.ts";
import { principalOf, statementOf } from "./random-access.ts";

/** An action that others are in, and that can be done itself. */
const application: SchemaJson<string> = {
  Shop: {
    entityTypes: { Invoice: {} },
    actions: { manage: action(), refund: action("manage"), cancel: action("manage"), audit: {} },
  },
};

function action(...groups: string[]) {
  return {
    memberOf: groups.map((id) => ({ id })),
    appliesTo: {
      principalTypes: ["User", "ServiceAccount"],
      resourceTypes: ["Invoice"],
      context: { type: "Record", attributes: { amount: { type: "Long" } } } as never,
    },
  };
}

interface Scene {
  giver?: string;
  own: string[];
  given: string[];
  binding?: string[];
  limit?: string[];
  ownLimit?: string[];
}

function covers({ giver = "svc_1", own, given, binding = [], limit, ownLimit }: Scene): boolean {
  const statements = (texts: string[]) => texts.map((text) => statementOf(text));
  const caller = principalOf(giver, statements(own), { limit: ownLimit ?? null });
  const grant = {
    statements: statements(given),
    binding: statements(binding),
    limit: limit ? new Set(limit) : null,
    holderId: undefined,
  };
  try {
    ensureCovers(caller, grant, universeOf(application));
    return true;
  } catch {
    return false;
  }
}

const permit = (action: string, conditions = "", resource = "resource") =>
  `permit (principal, ${action}, ${resource})${conditions};`;
const shop = (id: string) => `Shop::Action::"${id}"`;
const everything = permit("action");
const forbid = 'forbid (principal, action == Action::"GetAccount", resource);';

const covered: Record<string, Scene> = {
  "an action, by its permission": {
    own: [permit('action in Action::"Accounts.read"')],
    given: [permit('action == Action::"GetAccount"')],
  },
  "a permission, by all its actions, each of another statement": {
    own: [permit('action == Action::"GetAccount"'), permit('action == Action::"ListAccounts"')],
    given: [permit('action in [Action::"Accounts.read"]')],
  },
  "an action of a group": {
    own: [permit(`action in ${shop("manage")}`)],
    given: [permit(`action in [${shop("refund")}, ${shop("manage")}]`)],
  },
  "the action that a group is called by, and nothing else of it": {
    own: [permit(`action == ${shop("manage")}`)],
    given: [permit(`action == ${shop("manage")}`)],
  },
  "everything, by everything": { own: [everything], given: [everything] },
  "what a key's limit leaves of everything": {
    own: [permit('action in Action::"Accounts.read"')],
    given: [everything],
    limit: ["Accounts.read"],
  },
  "nothing, where a key's limit leaves nothing": { own: [], given: [everything], limit: [] },
  "what forbids": { own: [], given: [forbid] },
  "under more conditions, in another order": {
    own: [permit("action", " when { context has address } unless { resource is User }")],
    given: [
      permit(
        "action",
        ' unless { resource is User } when { context.authentication == "session" } when { context has address }',
      ),
    ],
  },
  "in what is covered, a thing itself": {
    own: [permit("action", "", 'resource in Account::"acc-a"')],
    given: [permit("action", "", 'resource == Account::"acc-a"')],
  },
  "what is forbidden to both": {
    own: [permit('action in Action::"Accounts.read"'), forbid],
    given: [permit('action == Action::"GetAccount"')],
    binding: [forbid],
  },
  "what another action of the permission is forbidden": {
    own: [permit('action in Action::"Accounts.read"'), forbid],
    given: [permit('action == Action::"ListAccounts"')],
  },
  "by an administrator, what it is forbidden itself": {
    own: [everything, forbid],
    given: [everything],
  },
};

test.each(Object.keys(covered))("covered: %s", (name) => {
  expect(covers(covered[name] as Scene)).toBe(true);
});

const refused: Record<string, Scene> = {
  "everything, by each action": {
    own: [permit('action in [Action::"Accounts.read", Action::"Users.read"]')],
    given: [everything],
  },
  "another action of the permission": {
    own: [permit('action == Action::"GetAccount"')],
    given: [permit('action in Action::"Accounts.read"')],
  },
  "one of a group, by the action that the group is called by": {
    own: [permit(`action == ${shop("manage")}`)],
    given: [permit(`action == ${shop("refund")}`)],
  },
  "a group, by the action that it is called by": {
    own: [permit(`action == ${shop("manage")}`)],
    given: [permit(`action in ${shop("manage")}`)],
  },
  "a group, by one of it": {
    own: [permit(`action in ${shop("refund")}`)],
    given: [permit(`action in ${shop("manage")}`)],
  },
  "beyond the limit of the calling key": {
    own: [everything],
    ownLimit: ["Accounts.read"],
    given: [permit('action == Action::"GetUser"')],
  },
  "everything, by a key with a limit that names all there is": {
    own: [everything],
    ownLimit: ["Accounts.read", "Users.read"],
    given: [everything],
  },
  "by what is permitted to others": {
    own: [everything.replace("principal", 'principal == ServiceAccount::"svc_2"')],
    given: [everything],
  },
  "by what is permitted to users": {
    own: [everything.replace("principal", "principal is User")],
    given: [everything],
  },
  "by what takes a session, which a service account never has": {
    own: [permit("action", ' when { context.authentication == "session" }')],
    given: [permit("action", ' when { context.authentication == "session" }')],
  },
  "under a condition with another number, however large": {
    own: [permit(`action == ${shop("refund")}`, " when { context.amount <= 9007199254740992 }")],
    given: [permit(`action == ${shop("refund")}`, " when { context.amount <= 9007199254740993 }")],
  },
  "under the opposite condition": {
    own: [permit("action", " when { context has address }")],
    given: [permit("action", " unless { context has address }")],
  },
  "of a type everywhere, by one account": {
    own: [permit("action", "", 'resource in Account::"acc-a"')],
    given: [permit("action", "", "resource is ServiceAccount")],
  },
  "in the organization, by one account": {
    own: [permit("action", "", 'resource in Account::"acc-a"')],
    given: [permit("action", "", 'resource in Organization::"org_1"')],
  },
  "what is forbidden to the giver only": {
    own: [permit('action in Action::"Accounts.read"'), forbid],
    given: [permit('action == Action::"GetAccount"')],
  },
  "what is forbidden to both, each for another reason": {
    own: [permit('action in Action::"Accounts.read"'), forbid],
    given: [permit('action == Action::"GetAccount"')],
    binding: [forbid.replace(";", " when { context has address };")],
  },
  "by an administrator whose key has a limit, what it is forbidden": {
    own: [everything, forbid],
    ownLimit: ["Accounts.read"],
    given: [permit('action == Action::"GetAccount"')],
  },
};

test.each(Object.keys(refused))("not covered: %s", (name) => {
  expect(covers(refused[name] as Scene)).toBe(false);
});

test("what is the caller's own it may give itself by another key, within its key's limit", () => {
  const own = [
    statementOf(permit('action == Action::"GetAccount"', " when { context has address }")),
  ];
  const grant = { statements: own, binding: [], limit: null, holderId: "svc_1" };
  const give = (limit: string[] | null, holderId = "svc_1") =>
    ensureCovers(principalOf("svc_1", own, { limit }), { ...grant, holderId }, universeOf({}));
  give(null);
  give(["Accounts.read"]);
  expect(() => give([])).toThrow("Accounts.read");
  expect(() =>
    ensureCovers(principalOf("svc_1", []), { ...grant, holderId: "svc_2" }, universeOf({})),
  ).toThrow();
});

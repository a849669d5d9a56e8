import type { SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import { judgedMethods } from "./schema.ts";
import { type EntityUid, namedActions, type Statement } from "./statement.ts";

/** All actions that there are for an organization: the service's, and those of its applications. */
export interface Universe {
  /** The names of all actions: RPCs, and such as `Shop::Action::"refund"`. */
  readonly all: readonly string[];
  /** The actions that an action or a group of actions stands for. */
  expand(uid: EntityUid): readonly string[];
  /** The permission that an RPC takes; undefined for an action of an application. */
  permissionOf(action: string): string | undefined;
}

/** Such as `IssueApiKey`, and `Shop::Action::"refund"` for what is not the service's own. */
export function actionName({ type, id }: EntityUid): string {
  return type === "Action" ? id : `${type}::${JSON.stringify(id)}`;
}

/** The opposite of actionName; undefined for what is no action's name. */
export function actionUid(name: string): EntityUid | undefined {
  if (/^[A-Za-z]+$/.test(name)) return { type: "Action", id: name };
  const [, type, quoted] = /^((?:[A-Za-z_]\w*::)+Action)::("(?:[^"\\]|\\.)*")$/.exec(name) ?? [];
  if (type === undefined || quoted === undefined) return undefined;
  try {
    return { type, id: JSON.parse(quoted) as string };
  } catch {
    return undefined;
  }
}

/** An action's own name and that of its permission: what a key's limit may name it by. */
export function groupsOfAction(action: string, universe: Universe): string[] {
  const permission = universe.permissionOf(action);
  return permission === undefined ? [action] : [action, permission];
}

const permissionByAction = new Map(judgedMethods.map((m) => [m.action, m.access.permission]));
const actionsByPermission = Map.groupBy(permissionByAction.keys(), (action) =>
  permissionByAction.get(action),
);

/** @param application what the organization's applications declare */
export function universeOf(application: SchemaJson<string>): Universe {
  const members = new Map<string, string[]>();
  const own: string[] = [];
  for (const [namespace, { actions }] of Object.entries(application)) {
    for (const [id, { memberOf = [], appliesTo }] of Object.entries(actions)) {
      const name = actionName({ type: `${namespace}::Action`, id });
      // What applies to nothing is but a group.
      if ((appliesTo?.resourceTypes.length ?? 0) > 0) own.push(name);
      for (const group of memberOf) {
        const key = actionName({ type: `${namespace}::Action`, id: group.id });
        members.set(key, [...(members.get(key) ?? []), name]);
      }
    }
  }
  return {
    all: [...permissionByAction.keys(), ...own],
    expand: ({ type, id }) =>
      type === "Action"
        ? (actionsByPermission.get(id) ?? [id])
        : [...withMembers(actionName({ type, id }), members, new Set())],
    permissionOf: (action) => permissionByAction.get(action),
  };
}

/** A group of actions and all that is in it, also by way of others. */
function withMembers(
  name: string,
  members: ReadonlyMap<string, readonly string[]>,
  found: Set<string>,
): Set<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const member of members.get(name) ?? []) withMembers(member, members, found);
  return found;
}

/** The actions that a statement is about, by their names; undefined for all. */
export function actionsOf(statement: Statement, universe: Universe): string[] | undefined {
  const named = namedActions(statement);
  // An action may be a group as well: by == it is meant alone.
  if (statement.json.action.op === "==") return named?.map(actionName);
  return named?.flatMap((uid) => universe.expand(uid));
}

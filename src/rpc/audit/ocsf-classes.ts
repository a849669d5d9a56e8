import { methods } from "../../contract.ts";

/** What kind of event it is, in the words and the numbers of the schema. */
export interface Classification {
  category_uid: number;
  category_name: string;
  class_uid: number;
  class_name: string;
  activity_id: number;
  activity_name: string;
  type_uid: number;
  type_name: string;
}

type Activity = [id: number, name: string];

const identity = { category_uid: 3, category_name: "Identity & Access Management" };
const accountChange = { ...identity, class_uid: 3001, class_name: "Account Change" };
const authentication = { ...identity, class_uid: 3002, class_name: "Authentication" };
const entityManagement = { ...identity, class_uid: 3004, class_name: "Entity Management" };
const apiActivity = {
  category_uid: 6,
  category_name: "Application Activity",
  class_uid: 6003,
  class_name: "API Activity",
};

const reads = new Set(
  [...methods.values()].filter(({ isRead }) => isRead).map(({ action }) => action),
);
const sessions: Record<string, Activity> = { Login: [1, "Logon"], Logout: [2, "Logoff"] };
/** What those hold who call. */
const accounts = new Set(["User", "ServiceAccount"]);
const ofAccounts: [RegExp, Activity][] = [
  [/^Create/, [1, "Create"]],
  [/^Enable/, [2, "Enable"]],
  [/^AcceptInvitation$/, [3, "Password Change"]],
  [/^Disable/, [5, "Disable"]],
  [/^(Delete|Purge)/, [6, "Delete"]],
];
const ofEntities: [RegExp, Activity][] = [
  [/^(Create|Issue)/, [1, "Create"]],
  [/^(Update|Rotate|Retire|Attach|Detach|Add|Remove)/, [3, "Update"]],
  [/^(Delete|Revoke|Purge|Drop)/, [4, "Delete"]],
  [/^Enable/, [8, "Enable"]],
  [/^Disable/, [9, "Disable"]],
];

/** The class that fits an action best: all that anybody can do, and what the service does by itself. */
export function classify(action: string, resourceType: string): Classification {
  const other: Activity = [99, action];
  if (reads.has(action)) return kindOf(apiActivity, [2, "Read"]);
  if (resourceType === "Session") return kindOf(authentication, sessions[action] ?? other);
  const [within, activities] = accounts.has(resourceType)
    ? ([accountChange, ofAccounts] as const)
    : ([entityManagement, ofEntities] as const);
  return kindOf(within, activities.find(([form]) => form.test(action))?.[1] ?? other);
}

function kindOf(within: typeof apiActivity, [id, name]: Activity): Classification {
  return {
    ...within,
    activity_id: id,
    activity_name: name,
    type_uid: within.class_uid * 100 + id,
    type_name: `${within.class_name}: ${id === 99 ? "Other" : name}`,
  };
}

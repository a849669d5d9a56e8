import type { ActionConstraint, PolicyJson } from "@cedar-policy/cedar-wasm/nodejs";
import { cedar } from "./engine.ts";

/** A type and an identifier, as Cedar names entities. */
export interface EntityUid {
  readonly type: string;
  readonly id: string;
}

/** What an answer depends on, beside the action. */
export interface Reads {
  readonly principal: boolean;
  readonly resource: boolean;
  /** Attributes of the context. */
  readonly context: ReadonlySet<string>;
}

/** One `permit` or `forbid` of a policy. */
export interface ParsedStatement {
  /** In Cedar, as it stands in the policy. */
  readonly text: string;
  /** Where it begins in the policy's text, from 1. */
  readonly line: number;
  readonly json: PolicyJson;
}

/** A policy, and what it is attached to. */
export interface PolicyOrigin {
  /** Empty for permissions that were given directly. */
  readonly policyId: string;
  readonly policyName: string;
  /** Empty where it is not attached. */
  readonly targetId: string;
}

/** A statement, for those whom its policy is attached to. */
export interface Statement extends PolicyOrigin, ParsedStatement {
  readonly reads: Reads;
}

/**
 * Takes a policy apart, which costs far more than to store what comes of it.
 * @param text that was found valid: see ensureValidPolicy
 */
export function parseStatements(text: string): ParsedStatement[] {
  let from = 0;
  return partsOf(text).map((part) => {
    from = Math.max(text.indexOf(part, from), from);
    const line = text.slice(0, from).split("\n").length;
    return { text: part, line, json: jsonOf(part) };
  });
}

/** The statements of a policy that was taken apart. */
export function statementsIn(
  parsed: readonly ParsedStatement[],
  { policyId, policyName, targetId }: PolicyOrigin,
): Statement[] {
  return parsed.map(({ text, line, json }) => {
    return { policyId, policyName, targetId, text, line, json, reads: readsOf(json) };
  });
}

function partsOf(text: string): string[] {
  const answer = cedar.call((module) => module.policySetTextToParts(text));
  if (answer.type === "success") return answer.policies;
  throw new Error(`a stored policy cannot be read: ${answer.errors[0]?.message}`);
}

function jsonOf(statement: string): PolicyJson {
  const answer = cedar.call((module) => module.policyToJson(statement));
  if (answer.type === "success") return answer.json;
  throw new Error(`a stored statement cannot be read: ${answer.errors[0]?.message}`);
}

/** Whether a statement says `forbid`. */
export function forbids({ json }: Statement): boolean {
  return json.effect === "forbid";
}

/** Whether a statement counts for whom it is meant, whatever the call is about and however it is made. */
export function isUnconditional({ json: { resource, conditions } }: Statement): boolean {
  return resource.op === "All" && conditions.length === 0;
}

/** The actions and groups of actions that a statement names; undefined where it names none, for all. */
export function namedActions({ json }: Statement): EntityUid[] | undefined {
  const { action } = json;
  if (action.op === "All") return undefined;
  return entitiesOf(action).map(uidOf);
}

function entitiesOf(action: Exclude<ActionConstraint, { op: "All" }>) {
  if ("entities" in action) return action.entities;
  if ("entity" in action) return [action.entity];
  throw new Error("a stored statement has a slot");
}

export function uidOf(uid: EntityUid | { __entity: EntityUid }): EntityUid {
  return "__entity" in uid ? uid.__entity : uid;
}

export function sameUid(a: EntityUid, b: EntityUid): boolean {
  return a.type === b.type && a.id === b.id;
}

function readsOf(json: PolicyJson): Reads {
  const { principal, resource, context } = conditionReads(json);
  return {
    principal: principal || json.principal.op !== "All",
    resource: resource || json.resource.op !== "All",
    context,
  };
}

/** What the conditions of a statement look at, beyond its scope. */
function conditionReads({ conditions }: PolicyJson): Reads {
  const found = { principal: false, resource: false };
  const context = new Set<string>();
  for (const { body } of conditions) collect(body, found, context);
  return { ...found, context };
}

/** Stands for whatever the context has. */
export const wholeContext = "*";

/** Walks an expression in Cedar's JSON form. What it does not know counts as reading what it names. */
function collect(
  node: unknown,
  found: { principal: boolean; resource: boolean },
  context: Set<string>,
): void {
  if (typeof node !== "object" || node === null) return;
  for (const [key, value] of Object.entries(node)) {
    const attribute = key === "." || key === "has" ? contextAttribute(value) : undefined;
    if (attribute !== undefined) context.add(attribute);
    else if (key !== "Var" || typeof value !== "string") collect(value, found, context);
    else if (value === "context") context.add(wholeContext);
    else if (value === "principal" || value === "resource") found[value] = true;
  }
}

/** The attribute of `context.attribute` and `context has attribute`. */
function contextAttribute(operands: unknown): string | undefined {
  if (typeof operands !== "object" || operands === null) return undefined;
  const { left, attr } = operands as { left?: { Var?: unknown }; attr?: unknown };
  if (left?.Var !== "context") return undefined;
  const first = Array.isArray(attr) ? attr[0] : attr;
  return typeof first === "string" ? first : undefined;
}

/** What says of a context whose call it is. */
const personalContext = ["apiKey", "account", "authentication", wholeContext];

/** Whether the conditions of a statement mean another thing for another principal. */
export function isPersonal({ json }: Statement): boolean {
  const { principal, context } = conditionReads(json);
  return principal || personalContext.some((name) => context.has(name));
}

/** Whether a statement looks at the calling key beyond its labels, such as at which one it is. */
export function looksAtKey({ json: { conditions } }: Statement): boolean {
  return conditions.some(({ body }) => looksBeyondLabels(body));
}

const ofLabels = ["hasTag", "getTag"];

function looksBeyondLabels(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return false;
  return Object.entries(node).some(([key, value]) => {
    const { left } = value as { left?: Record<string, unknown> };
    if (ofLabels.includes(key) && contextAttribute(left?.["."]) === "apiKey") {
      return looksBeyondLabels((value as { right: unknown }).right);
    }
    if (key === "has" && contextAttribute(value) === "apiKey") return false;
    if (key === "." && contextAttribute(value) === "apiKey") return true;
    if (key === "Var") return value === "context";
    return contextAttribute(value) === undefined && looksBeyondLabels(value);
  });
}

/** Whether a statement looks at the labels of what it is about. */
export function looksAtLabels({ json: { conditions } }: Statement): boolean {
  return conditions.some(({ body }) => readsTags(body));
}

function readsTags(node: unknown): boolean {
  if (typeof node !== "object" || node === null) return false;
  return Object.entries(node).some(([key, value]) => {
    if (!ofLabels.includes(key)) return readsTags(value);
    return contextAttribute((value as { left?: Record<string, unknown> }).left?.["."]) !== "apiKey";
  });
}

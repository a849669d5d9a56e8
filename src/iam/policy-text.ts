import type { DetailedError, PolicyJson, SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import { type FieldViolation, invalidFields } from "../errors.ts";
import { CedarFault } from "./cedar.ts";
import { scratch } from "./engine.ts";

/** Deeper than anybody writes; far more breaks Cedar. */
const maxNesting = 30;
/** Of a statement in Cedar's JSON form, in which a chain of operators is as deep as it is long. */
const maxDepth = 150;
const maxConditions = 30;

/**
 * Holds that a policy can be read, and means something under a schema.
 * @param field the request's that has the text
 * @throws ServiceError FIELD_INVALID, saying where the fault is and how to mend it
 */
export function ensureValidPolicy(text: string, schema: SchemaJson<string>, field: string): void {
  const faults = faultsOf(text, schema);
  if (faults.length === 0) return;
  throw invalidFields(
    faults.map((description) => ({ field, description }) satisfies FieldViolation),
  );
}

/** What is wrong with a policy, each with its place and told once; nothing for a valid one. */
export function faultsOf(text: string, schema: SchemaJson<string>): string[] {
  // Cedar tells what is wrong for each action and each type that it is wrong for.
  const byPlace = new Map<string, string>();
  for (const fault of allFaultsOf(text, schema)) {
    const place = /^line \d+, column \d+/.exec(fault)?.[0] ?? fault;
    if (!byPlace.has(place)) byPlace.set(place, fault);
  }
  return [...byPlace.values()];
}

function allFaultsOf(text: string, schema: SchemaJson<string>): string[] {
  if (isTooDeep(text)) {
    return [`is nested more than ${maxNesting} levels deep; split it into several statements`];
  }
  try {
    return scratch.call((module) => {
      const answer = module.validate({
        schema,
        policies: { staticPolicies: text },
        validationSettings: { mode: "strict" },
      });
      if (answer.type === "failure") return answer.errors.map((error) => describe(error, text));
      const { validationErrors, validationWarnings } = answer;
      // A statement that can never apply is not what anybody meant.
      const all = validationErrors.length > 0 ? validationErrors : validationWarnings;
      if (all.length > 0) return all.map(({ error }) => describe(error, text));
      const parts = module.policySetTextToParts(text);
      const statements = parts.type === "success" ? parts.policies : [];
      if (statements.length === 0) return ["has no statement; begin one with permit or forbid"];
      return statements.flatMap((statement) => {
        const parsed = module.policyToJson(statement);
        if (parsed.type === "failure") return parsed.errors.map((error) => describe(error, text));
        const fault = faultOf(parsed.json);
        return fault === undefined ? [] : [`line ${lineOf(statement, text)}: ${fault}`];
      });
    });
  } catch (error) {
    if (error instanceof CedarFault) {
      return ["is too involved to be evaluated; split it into several statements"];
    }
    throw error;
  }
}

/** Operators that look an entity up, by the operand that they look up. */
const lookingUp = new Set(["in", "is", ".", "has", "hasTag", "getTag"]);

/**
 * An entity that is named in a condition and looked at: whether it is in another one, or what it has. Only
 * the principal, the resource and what the context names are looked up, so of others nothing would hold.
 */
function literalLookedAt(node: unknown): string | undefined {
  if (typeof node !== "object" || node === null) return undefined;
  for (const [key, value] of Object.entries(node)) {
    const left = lookingUp.has(key) ? literalIn((value as { left?: unknown }).left) : undefined;
    const found = left ?? literalLookedAt(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

function literalIn(node: unknown): string | undefined {
  if (typeof node !== "object" || node === null) return undefined;
  if ("__entity" in node) {
    const { type, id } = node.__entity as { type: string; id: string };
    return `${type}::${JSON.stringify(id)}`;
  }
  return Object.values(node)
    .map(literalIn)
    .find((found) => found !== undefined);
}

/** What Cedar lets pass, and is wrong with a statement all the same. */
function faultOf({ conditions }: PolicyJson): string | undefined {
  if (conditions.length > maxConditions || depthOf(conditions) > maxDepth) {
    return "is too long a chain; split it into several statements, or use contains of a set";
  }
  const entity = conditions.map(({ body }) => literalLookedAt(body)).find(Boolean);
  if (entity === undefined) return undefined;
  return `looks at ${entity}, and only principal, resource and context can be looked at (put it to the right of in or ==)`;
}

function depthOf(node: unknown): number {
  if (typeof node !== "object" || node === null) return 0;
  return 1 + Object.values(node).reduce((most: number, inner) => Math.max(most, depthOf(inner)), 0);
}

function lineOf(statement: string, text: string): string {
  return placeOf(text, Buffer.byteLength(text.slice(0, text.indexOf(statement))));
}

/** Whether brackets are nested too deeply. Those in texts count too, which errs on the safe side. */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if ("([{".includes(character)) deepest = Math.max(deepest, ++depth);
    else if (")]}".includes(character)) depth = Math.max(0, depth - 1);
  }
  return deepest > maxNesting;
}

/** A fault of Cedar's, with the place in the text. */
export function describe(error: DetailedError, text: string): string {
  const [location] = error.sourceLocations ?? [];
  const message = error.message
    .replace(/for policy `[^`]*`, /, "")
    .replace(/^failed to parse [^:]*: /, "");
  const hint = error.help ?? location?.label ?? "";
  const place = location === undefined ? "" : `line ${placeOf(text, location.start)}: `;
  return `${place}${message}${hint === "" ? "" : ` (${hint})`}`;
}

/** @param offset in bytes of UTF-8 */
function placeOf(text: string, offset: number): string {
  const before = Buffer.from(text).subarray(0, offset).toString();
  const lines = before.split("\n");
  return `${lines.length}, column ${(lines.at(-1) ?? "").length + 1}`;
}

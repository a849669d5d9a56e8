import type { DetailedError, SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import { type FieldViolation, invalidFields } from "../errors.ts";
import { CedarFault } from "./cedar.ts";
import { scratch } from "./engine.ts";

/** Deeper than anybody writes; far more breaks Cedar. */
const maxNesting = 30;

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

/** What is wrong with a policy, each with its place; nothing for a valid one. */
export function faultsOf(text: string, schema: SchemaJson<string>): string[] {
  if (nestingOf(text) > maxNesting) {
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
        const looksAt = parsed.json.conditions
          .map(({ body }) => literalLookedAt(body))
          .find(Boolean);
        return looksAt === undefined ? [] : [unknowable(statement, text, looksAt)];
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

function unknowable(statement: string, text: string, entity: string): string {
  const offset = Buffer.byteLength(text.slice(0, text.indexOf(statement)));
  return `line ${placeOf(text, offset)}: looks at ${entity}, and only principal, resource and context can be looked at (put it to the right of in or ==)`;
}

/** How deep brackets are nested, at most. Those in texts count too, which errs on the safe side. */
function nestingOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of text) {
    if ("([{".includes(character)) deepest = Math.max(deepest, ++depth);
    else if (")]}".includes(character)) depth = Math.max(0, depth - 1);
  }
  return deepest;
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

import type { EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { Entity, EntityReference } from "../../../gen/pdaas/v1/access_service_pb.ts";
import { invalidFields } from "../../errors.ts";
import { entityOf } from "../../iam/policy-slice.ts";
import type { EntityUid } from "../../iam/statement.ts";

const maxDepth = 8;
/** Of one entity, or of a context: Cedar takes a while over each. */
const maxValues = 2_000;

/**
 * What an application says of its resources.
 * @param namespaces those that the organization's applications declare
 * @throws ServiceError FIELD_INVALID
 */
export function applicationEntities(
  entities: readonly Entity[],
  namespaces: readonly string[],
): EntityJson[] {
  return entities.map(({ reference, attributes, parents }, i) => {
    const field = `check.entities[${i}]`;
    const uid = toUid(reference, `${field}.reference`);
    if (!namespaces.some((namespace) => uid.type.startsWith(`${namespace}::`))) {
      throw invalid(`${field}.reference`, "must be of a type that your applications declare");
    }
    const attrs = cedarRecord(attributes ?? {}, `${field}.attributes`);
    const parentUids = parents.map((parent, j) => toUid(parent, `${field}.parents[${j}]`));
    return entityOf(uid, parentUids, attrs);
  });
}

/** @throws ServiceError FIELD_INVALID when there is none */
export function toUid(reference: EntityReference | undefined, field: string): EntityUid {
  if (reference === undefined) throw invalid(field, "is missing");
  return { type: reference.type, id: reference.id };
}

/**
 * Attributes, or a context, as Cedar takes them.
 * @throws ServiceError FIELD_INVALID for what Cedar has no values for
 */
export function cedarRecord(record: Record<string, unknown>, field: string) {
  ensureValue(record, field, 0);
  if (countOf(record) > maxValues) throw invalid(field, `has more than ${maxValues} values`);
  return record;
}

function countOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 1;
  return Object.values(value).reduce((sum: number, inner) => sum + countOf(inner), 1);
}

function ensureValue(value: unknown, field: string, depth: number): void {
  if (depth > maxDepth) throw invalid(field, `is nested more than ${maxDepth} levels deep`);
  if (value === null) throw invalid(field, "must not be null; leave it out");
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw invalid(field, "must be a whole number; write others as decimals in text");
  }
  if (typeof value !== "object") return;
  if (Object.keys(value).some((name) => name.startsWith("__"))) ensureEscape(value, field);
  for (const [name, inner] of Object.entries(value)) {
    ensureValue(inner, `${field}.${name}`, depth + 1);
  }
}

/** What JSON has no form for: entities, and values of these kinds. */
const extensions = ["ip", "decimal", "datetime", "duration"];

function ensureEscape(value: object, field: string): void {
  const { __entity: entity, __extn: extension, ...rest } = value as Record<string, unknown>;
  const isAlone =
    Object.keys(rest).length === 0 && (entity === undefined) !== (extension === undefined);
  const { fn } = (extension ?? {}) as { fn?: unknown };
  if (isAlone && (extension === undefined || extensions.includes(fn as string))) return;
  throw invalid(field, `must be __entity, or __extn with one of ${extensions.join(", ")}`);
}

export function invalid(field: string, description: string) {
  return invalidFields([{ field, description }]);
}

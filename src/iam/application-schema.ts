import { hash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { NamespaceDefinition, SchemaJson } from "@cedar-policy/cedar-wasm/nodejs";
import { LRUCache } from "lru-cache";
import { invalidFields, type ServiceError } from "../errors.ts";
import { CedarFault } from "./cedar.ts";
import { cedar, schemas, scratch } from "./engine.ts";
import { describe, isTooDeep } from "./policy-text.ts";
import { contractSchema, contractText } from "./schema.ts";

/** What an organization's applications declare, and the whole schema with it. */
export interface OrganizationSchema {
  readonly application: SchemaJson<string>;
  readonly whole: SchemaJson<string>;
}

/** The name of a schema by which requests of applications are read. */
export function schemaName({ whole }: OrganizationSchema): string {
  return schemas.get(hash("sha256", JSON.stringify(whole), "base64"), (name) => {
    const answer = cedar.call((module) => module.preparseSchema(name, whole));
    if (answer.type === "failure") throw new Error(answer.errors[0]?.message);
  });
}

const nothing: OrganizationSchema = { application: {}, whole: contractSchema };

const known = new LRUCache<string, OrganizationSchema>({ max: 100 });

/** @param text that was found valid; empty where nothing is declared */
export function organizationSchema(text: string): OrganizationSchema {
  let schema = known.get(text);
  if (schema === undefined) {
    schema = readApplicationSchema(text, "application_text");
    known.set(text, schema);
  }
  return schema;
}

/**
 * Reads what an organization's applications declare: namespaces of their own, beside the service's.
 * @param field the request's that has the text
 * @throws ServiceError FIELD_INVALID, saying where the fault is
 */
export function readApplicationSchema(text: string, field: string): OrganizationSchema {
  if (text.trim() === "") return nothing;
  const invalid = (description: string) => invalidFields([{ field, description }]);
  if (isTooDeep(text)) throw invalid("is nested too deeply");
  const { "": own, ...application } = parse(text, invalid);
  if (!isDeepStrictEqual(namesIn(own), namesIn(contractSchema[""]))) {
    throw invalid("must declare everything in a namespace, such as namespace Shop { … }");
  }
  for (const [namespace, { actions }] of Object.entries(application)) {
    for (const group of Object.values(actions).flatMap(({ memberOf = [] }) => memberOf)) {
      const type = `${namespace}::Action`;
      const isOwn = [undefined, "Action", type].includes(group.type);
      if (!isOwn || !Object.hasOwn(actions, group.id)) {
        throw invalid(
          `has an action of ${namespace} in a group that ${namespace} does not declare`,
        );
      }
      group.type = type;
    }
  }
  return { application, whole: { ...contractSchema, ...application } };
}

/** All that a namespace declares. */
function namesIn(namespace: NamespaceDefinition<string> | undefined): string[][] {
  const { entityTypes = {}, actions = {}, commonTypes = {} } = namespace ?? {};
  return [entityTypes, actions, commonTypes].map((declared) => Object.keys(declared).sort());
}

/** Reads a schema together with the service's own, whose types it may name. */
function parse(text: string, invalid: (description: string) => ServiceError): SchemaJson<string> {
  const all = `${text}\n${contractText()}`;
  const answer = guarded(() => scratch.call((module) => module.schemaToJson(all)), invalid);
  if (answer.type === "success") return answer.json;
  throw invalid(answer.errors.map((error) => describe(error, text)).join("; "));
}

function guarded<T>(work: () => T, invalid: (description: string) => ServiceError): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof CedarFault) throw invalid("is nested too deeply");
    throw error;
  }
}

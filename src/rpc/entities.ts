import type { EntityJson } from "@cedar-policy/cedar-wasm/nodejs";
import type { LookUp } from "../iam/authorize.ts";
import { entityOf } from "../iam/policy-slice.ts";
import type { EntityUid } from "../iam/statement.ts";
import type { Queryable } from "../store/database.ts";
import { findEntities, type StoredEntity } from "../store/entities.ts";

/** Looks up what belongs to an organization. What it has not is there as well, with nothing but a name. */
export function lookUpIn(db: Queryable, organizationId: string): LookUp {
  const organization = { type: "Organization", id: organizationId };
  return async (wanted) => {
    const all: EntityJson[] = [];
    for (const uid of wanted) {
      const found = await findEntities(db, organizationId, uid);
      const entities = found.map((entity) => toEntity(entity, organization));
      all.push(...(entities.length > 0 ? entities : [entityOf(uid, [organization])]));
      // Accounts and groups that something is in are in the organization themselves.
      const parents = found
        .flatMap((entity) => entity.parents)
        .filter(({ type }) => type !== organization.type);
      all.push(...parents.map((parent) => entityOf(parent, [organization])));
    }
    return all;
  };
}

function toEntity(entity: StoredEntity, organization: EntityUid): EntityJson {
  const { type, parents, tags } = entity;
  // All but users are in their organization by what they are in.
  const direct = type === "User" ? [organization] : [];
  return entityOf(entity, [...parents, ...direct], {}, tags);
}

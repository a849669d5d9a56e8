import type {
  EntityJson,
  PrincipalConstraint,
  ResourceConstraint,
} from "@cedar-policy/cedar-wasm/nodejs";
import { type EntityUid, type Statement, uidOf } from "./statement.ts";

/** Whom and what a request is about, with all that they are in, to hold scopes of statements against. */
export class Scope {
  readonly #principal: EntityUid;
  readonly #resource: EntityUid;
  readonly #principalIn: ReadonlySet<string>;
  readonly #resourceIn: ReadonlySet<string>;

  constructor(request: { principal: EntityUid; resource: EntityUid; entities: EntityJson[] }) {
    const parents = new Map(
      request.entities.map((entity) => [keyOf(uidOf(entity.uid)), entity.parents.map(uidOf)]),
    );
    this.#principal = request.principal;
    this.#resource = request.resource;
    this.#principalIn = ancestors(request.principal, parents);
    this.#resourceIn = ancestors(request.resource, parents);
  }

  /** Whether the scope of a statement has the principal and the resource in it. */
  isIn({ json: { principal, resource } }: Statement): boolean {
    return (
      holds(principal, this.#principal, this.#principalIn) &&
      holds(resource, this.#resource, this.#resourceIn)
    );
  }
}

function keyOf({ type, id }: EntityUid): string {
  return `${type} ${id}`;
}

/** An entity itself, and all that it is in. */
function ancestors(uid: EntityUid, parents: ReadonlyMap<string, EntityUid[]>): Set<string> {
  const found = new Set<string>();
  const add = (entity: EntityUid) => {
    const key = keyOf(entity);
    if (found.has(key)) return;
    found.add(key);
    for (const parent of parents.get(key) ?? []) add(parent);
  };
  add(uid);
  return found;
}

function holds(
  constraint: PrincipalConstraint | ResourceConstraint,
  uid: EntityUid,
  within: ReadonlySet<string>,
): boolean {
  if (constraint.op === "All") return true;
  if (constraint.op === "is") {
    if (constraint.entity_type !== uid.type) return false;
    const { in: outer } = constraint;
    return outer === undefined || ("entity" in outer && within.has(keyOf(uidOf(outer.entity))));
  }
  if (!("entity" in constraint)) return false;
  const key = keyOf(uidOf(constraint.entity));
  return constraint.op === "in" ? within.has(key) : key === keyOf(uid);
}

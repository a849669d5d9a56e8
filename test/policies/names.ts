import type { EntityUid } from "../../src/iam/statement.ts";

/** What the names of a scenario stand for. */
export class Names {
  readonly #entities = new Map<string, EntityUid>();

  add(name: string, type: string, id = ""): void {
    if (this.#entities.has(name)) throw new Error(`the scenario has two "${name}"`);
    this.#entities.set(name, { type, id });
  }

  entity(name: string): EntityUid {
    const entity = this.#entities.get(name);
    if (entity === undefined) throw new Error(`the scenario has no "${name}"`);
    return entity;
  }

  id(name: string): string {
    return this.entity(name).id;
  }

  /** The identifiers of one thing and each of those that are listed with it. */
  pairs(lists: Record<string, readonly string[]>): [string, string][] {
    return Object.entries(lists).flatMap(([name, others]) =>
      others.map((other): [string, string] => [this.id(name), this.id(other)]),
    );
  }

  /** The text of a policy, with entities in the place of their names. */
  written(text: string): string {
    return text.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => {
      const { type, id } = this.entity(name);
      return `${type}::${JSON.stringify(id)}`;
    });
  }
}

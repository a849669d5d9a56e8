import { AuditFormatError } from "./format.ts";

/**
 * The members of a text that is a JSON object.
 * @throws AuditFormatError
 */
export function membersOf(text: string): Members {
  return new Members(parsed(text));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AuditFormatError("it is not JSON");
  }
}

/** The members of an object, each of which is to be asked for. */
export class Members {
  readonly #members: Map<string, unknown>;
  readonly #unread: Set<string>;

  constructor(value: unknown) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new AuditFormatError("it is not an object");
    }
    this.#members = new Map(Object.entries(value));
    this.#unread = new Set(this.#members.keys());
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  has(name: string): boolean {
    return this.#members.has(name);
  }

  text(name: string): string {
    const value = this.#read(name);
    if (typeof value !== "string") throw new AuditFormatError(`${name} is not a text`);
    return value;
  }

  /** Something that is there only to be true. */
  mark(name: string): void {
    if (this.#read(name) !== true) throw new AuditFormatError(`${name} is not true`);
  }

  texts(name: string): string[] {
    const value = this.#read(name);
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) {
      throw new AuditFormatError(`${name} is not a list of texts`);
    }
    return value;
  }

  list(name: string): Members[] {
    const value = this.#read(name);
    if (!Array.isArray(value)) throw new AuditFormatError(`${name} is not a list`);
    return value.map((item) => new Members(item));
  }

  members(name: string): Members {
    return new Members(this.#read(name));
  }

  /** @throws AuditFormatError when there are members that were not asked for */
  end(): void {
    const [name] = this.#unread;
    if (name !== undefined) throw new AuditFormatError(`${JSON.stringify(name)} is unknown`);
  }

  #read(name: string): unknown {
    this.#unread.delete(name);
    return this.#members.get(name);
  }
}

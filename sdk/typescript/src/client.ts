import type { Caller, CallOptions } from "./caller.ts";
import { Access } from "./resources/access.ts";
import { Accounts } from "./resources/accounts.ts";
import { Allowlists } from "./resources/allowlists.ts";
import { ApiKeys } from "./resources/api-keys.ts";
import { AuditEvents } from "./resources/audit-events.ts";
import { AuditSinks } from "./resources/audit-sinks.ts";
import { Groups } from "./resources/groups.ts";
import { Organizations } from "./resources/organizations.ts";
import { Policies } from "./resources/policies.ts";
import { type Principal, whoAmI } from "./resources/principals.ts";
import { ServiceAccounts } from "./resources/service-accounts.ts";
import { Users } from "./resources/users.ts";
import type { Session } from "./session.ts";

/** How a client reaches the service, and as whom. */
export interface Connection {
  caller: Caller;
  /** Calls without credentials. */
  anonymousCaller: Caller;
  /** The session, when the client is a user's. */
  session?: Session;
  /** Closes what is open towards the service. */
  disconnect(): void;
  /** What may be shown of the client: nothing secret. */
  readonly summary: Record<string, string>;
}

/** The service's API, the same in Node and in browsers. */
export abstract class ApiClient {
  readonly serviceAccounts: ServiceAccounts;
  readonly apiKeys: ApiKeys;
  readonly allowlists: Allowlists;
  readonly accounts: Accounts;
  readonly organizations: Organizations;
  readonly users: Users;
  readonly groups: Groups;
  readonly policies: Policies;
  readonly access: Access;
  readonly auditEvents: AuditEvents;
  readonly auditSinks: AuditSinks;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    const { caller, anonymousCaller } = connection;
    this.#connection = connection;
    this.apiKeys = new ApiKeys(caller, anonymousCaller);
    this.serviceAccounts = new ServiceAccounts(caller, this.apiKeys);
    this.allowlists = new Allowlists(caller);
    this.accounts = new Accounts(caller);
    this.organizations = new Organizations(caller);
    this.users = new Users(caller, anonymousCaller);
    this.groups = new Groups(caller);
    this.policies = new Policies(caller);
    this.access = new Access(caller);
    this.auditEvents = new AuditEvents(caller);
    this.auditSinks = new AuditSinks(caller);
  }

  /**
   * Asks the service who is calling, and what it may do.
   * @throws PdaasError
   */
  async whoAmI(options?: CallOptions): Promise<Principal> {
    return await whoAmI(this.#connection.caller, options);
  }

  /**
   * Ends the user's session, if one was begun; the next call logs in again. Does nothing for an API key.
   * @throws PdaasError
   */
  async logout(options?: CallOptions): Promise<void> {
    await this.#connection.session?.logout(options);
  }

  /** Logs out, if that can be done, and closes the connections. Never throws. */
  async close(): Promise<void> {
    await this.logout().catch(() => {});
    this.#connection.disconnect();
  }

  toJSON(): Record<string, string> {
    return { ...this.#connection.summary };
  }

  [Symbol.for("nodejs.util.inspect.custom")](
    _depth: number,
    options: unknown,
    inspect: (value: unknown, options: unknown) => string,
  ): string {
    return `Client ${inspect(this.toJSON(), options)}`;
  }
}

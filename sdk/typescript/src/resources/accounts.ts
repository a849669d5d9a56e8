import {
  AccountService,
  type Account as Message,
} from "../../../../gen/pdaas/v1/account_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import { dateOf, present } from "./plain.ts";

/** A division of an organization that service accounts belong to. */
export interface Account {
  /** Unique in the organization, such as `acc-123`. */
  id: string;
  name: string;
  description: string;
  createTime: Date;
}

export interface CreateAccountParams {
  /** Unique in the organization, such as `acc-123`; chosen by the service when absent. */
  accountId?: string | undefined;
  /** The display name; the identifier when absent. */
  name?: string | undefined;
  description?: string | undefined;
  /** Names the creation, so that repeating it creates nothing more; a UUID when absent. */
  requestId?: string | undefined;
}

export interface AccountParams {
  /** Such as `acc-123`. */
  accountId: string;
}

const { method } = AccountService;

/** `client.accounts`. Every method throws PdaasError. */
export class Accounts {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Creates an account. */
  async create(params: CreateAccountParams = {}, options?: CallOptions): Promise<Account> {
    const { accountId = "", name = "", description = "" } = params;
    const { requestId = crypto.randomUUID() } = params;
    const request = { accountId, name, description, requestId };
    return unwrap(await this.#caller.call(method.createAccount, request, options));
  }

  /** Gets an account. */
  async get({ accountId }: AccountParams, options?: CallOptions): Promise<Account> {
    return unwrap(await this.#caller.call(method.getAccount, { accountId }, options));
  }

  /** Lists the organization's accounts, by identifier. */
  list(params: PageOptions = {}, options?: CallOptions): Listing<Account> {
    const { pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const answer = await this.#caller.call(method.listAccounts, { pageSize, pageToken }, options);
      return toPage(answer.accounts.map(toAccount), answer.nextPageToken);
    }, params.pageToken);
  }
}

function unwrap(answer: { account?: Message | undefined }): Account {
  return toAccount(present(answer.account, "the account"));
}

function toAccount({ id, name, description, createTime }: Message): Account {
  return { id, name, description, createTime: dateOf(present(createTime, "create_time")) };
}

import {
  type ServiceAccount as Message,
  ServiceAccountService,
  ServiceAccountState,
} from "../../../../gen/pdaas/v1/service_account_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import type { IssuedApiKey } from "./api-key.ts";
import type { ApiKeys, IssueApiKeyParams } from "./api-keys.ts";
import { dateOf, maskOf, type NameOf, nameOf, present } from "./plain.ts";
import { type RateLimit, rateLimitOf, toRateLimit } from "./rate-limit.ts";

/** The identity of a program. */
export interface ServiceAccount {
  /** `svc_…` */
  id: string;
  /** The account that it belongs to, such as `acc-123`. */
  accountId: string;
  name: string;
  description: string;
  /** What it may do, sorted. */
  permissions: string[];
  /** Whether its keys are honoured. */
  state: NameOf<typeof ServiceAccountState>;
  /** Changes with every change of the service account. */
  etag: string;
  createTime: Date;
  updateTime: Date;
  /** When it was deleted; undefined while it is not. */
  deleteTime: Date | undefined;
  /** When a deleted one is removed for good. */
  purgeTime: Date | undefined;
  /** How often all its keys together may call; undefined: without limit. */
  rateLimit: RateLimit | undefined;
}

export interface CreateServiceAccountParams {
  /** The account that it belongs to, such as `acc-123`. */
  accountId: string;
  /** The display name, such as `CI/CD Bot`. */
  name: string;
  description?: string | undefined;
  /** What it may do, such as `ServiceAccounts.read`; nothing when absent. */
  permissions?: readonly string[] | undefined;
  /** How often all its keys together may call; without limit when absent. */
  rateLimit?: RateLimit | undefined;
  /** Names the creation, so that repeating it creates nothing more; a UUID when absent. */
  requestId?: string | undefined;
}

export interface ServiceAccountParams {
  /** `svc_…` */
  serviceAccountId: string;
}

export interface ServiceAccountChangeParams extends ServiceAccountParams {
  /** The etag of the state that the change is meant for; any state when absent. */
  etag?: string | undefined;
}

/** What is absent stays as it is. */
export interface UpdateServiceAccountParams extends ServiceAccountChangeParams {
  name?: string | undefined;
  description?: string | undefined;
  /** Replace the permissions that it has. */
  permissions?: readonly string[] | undefined;
  /** How often all its keys together may call; null: without limit. */
  rateLimit?: RateLimit | null | undefined;
}

export interface ListServiceAccountsParams extends PageOptions {
  /** Only those of this account. */
  accountId?: string | undefined;
  /** Whether deleted ones are listed too. */
  showDeleted?: boolean | undefined;
}

const { method } = ServiceAccountService;

/** `client.serviceAccounts`. Every method throws PdaasError. */
export class ServiceAccounts {
  readonly #caller: Caller;
  readonly #apiKeys: ApiKeys;

  constructor(caller: Caller, apiKeys: ApiKeys) {
    this.#caller = caller;
    this.#apiKeys = apiKeys;
  }

  /** Creates a service account. It can do nothing before a key is issued to it. */
  async create(params: CreateServiceAccountParams, options?: CallOptions): Promise<ServiceAccount> {
    const { accountId, name, description = "" } = params;
    const permissions = [...(params.permissions ?? [])];
    const { requestId = crypto.randomUUID() } = params;
    const rateLimit = rateLimitOf(params.rateLimit);
    const request = { accountId, name, description, permissions, rateLimit, requestId };
    return unwrap(await this.#caller.call(method.createServiceAccount, request, options));
  }

  /** Gets a service account, also a deleted one. */
  async get(params: ServiceAccountParams, options?: CallOptions): Promise<ServiceAccount> {
    const request = { serviceAccountId: params.serviceAccountId };
    return unwrap(await this.#caller.call(method.getServiceAccount, request, options));
  }

  /** Lists service accounts, oldest first. */
  list(params: ListServiceAccountsParams = {}, options?: CallOptions): Listing<ServiceAccount> {
    const { accountId = "", showDeleted = false, pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const request = { accountId, showDeleted, pageSize, pageToken };
      const answer = await this.#caller.call(method.listServiceAccounts, request, options);
      return toPage(answer.serviceAccounts.map(toServiceAccount), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Changes the fields that are given. */
  async update(params: UpdateServiceAccountParams, options?: CallOptions): Promise<ServiceAccount> {
    const { serviceAccountId, name, description, permissions, rateLimit, etag = "" } = params;
    const request = {
      serviceAccountId,
      name: name ?? "",
      description: description ?? "",
      permissions: [...(permissions ?? [])],
      rateLimit: rateLimitOf(rateLimit),
      updateMask: maskOf({ name, description, permissions, rate_limit: rateLimit }),
      etag,
    };
    return unwrap(await this.#caller.call(method.updateServiceAccount, request, options));
  }

  /** Stops a service account: once this has answered, none of its keys is honoured. */
  async disable(params: ServiceAccountChangeParams, options?: CallOptions) {
    const settings = { ...options, repeatable: isRepeatable(params) };
    const request = changeOf(params);
    return unwrap(await this.#caller.call(method.disableServiceAccount, request, settings));
  }

  /** Undoes disable. */
  async enable(params: ServiceAccountChangeParams, options?: CallOptions) {
    const settings = { ...options, repeatable: isRepeatable(params) };
    const request = changeOf(params);
    return unwrap(await this.#caller.call(method.enableServiceAccount, request, settings));
  }

  /** Deletes a service account. For 30 days it can be had back with undelete. */
  async delete(params: ServiceAccountChangeParams, options?: CallOptions): Promise<ServiceAccount> {
    const request = changeOf(params);
    return unwrap(await this.#caller.call(method.deleteServiceAccount, request, options));
  }

  /** Brings a deleted service account back, with its keys, in the state it had. */
  async undelete(params: ServiceAccountChangeParams, options?: CallOptions) {
    const request = changeOf(params);
    return unwrap(await this.#caller.call(method.undeleteServiceAccount, request, options));
  }

  /** Issues an API key to a service account: the same as `client.apiKeys.issue`. */
  async issueKey(params: IssueApiKeyParams, options?: CallOptions): Promise<IssuedApiKey> {
    return await this.#apiKeys.issue(params, options);
  }
}

function changeOf({ serviceAccountId, etag = "" }: ServiceAccountChangeParams) {
  return { serviceAccountId, etag };
}

/** A first attempt that succeeded unnoticed changes the etag, and so fails the second one. */
function isRepeatable({ etag = "" }: ServiceAccountChangeParams): boolean {
  return etag === "";
}

function unwrap(answer: { serviceAccount?: Message | undefined }): ServiceAccount {
  return toServiceAccount(present(answer.serviceAccount, "the service account"));
}

function toServiceAccount(message: Message): ServiceAccount {
  return {
    id: message.id,
    accountId: message.accountId,
    name: message.name,
    description: message.description,
    permissions: [...message.permissions],
    state: nameOf(ServiceAccountState, message.state),
    etag: message.etag,
    createTime: dateOf(present(message.createTime, "create_time")),
    updateTime: dateOf(present(message.updateTime, "update_time")),
    deleteTime: dateOf(message.deleteTime),
    purgeTime: dateOf(message.purgeTime),
    rateLimit: toRateLimit(message.rateLimit),
  };
}

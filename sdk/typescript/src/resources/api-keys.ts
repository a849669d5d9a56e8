import { ApiKeyService, ApiKeyState } from "../../../../gen/pdaas/v1/api_key_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import {
  type ApiKey,
  type ApiKeyUsage,
  type IssuedApiKey,
  type LeakReport,
  type RotatedApiKey,
  toApiKey,
  toIssuedApiKey,
  toRotatedApiKey,
  toUsage,
  unwrapApiKey,
} from "./api-key.ts";
import { durationOf, maskOf, nameOf, timestampOf } from "./plain.ts";
import { type RateLimit, rateLimitOf } from "./rate-limit.ts";

export interface IssueApiKeyParams {
  /** The service account that the key is for, `svc_…`. */
  serviceAccountId: string;
  /** The display name, such as `Build server`. */
  name?: string | undefined;
  /** What the key is for, such as the machine that holds it. */
  description?: string | undefined;
  /** Whatever you want to find the key by, such as `{ env: "production" }`. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** When the key stops being honoured; as late as may be when absent. */
  expireTime?: Date | undefined;
  /** The most that the key may do; all that its service account may when absent. */
  permissions?: readonly string[] | undefined;
  /** How often the key may call; as often as its service account may when absent. */
  rateLimit?: RateLimit | undefined;
  /**
   * Names the issue: repeated by the same caller within 10 minutes, it gets the same key with its secret.
   * A UUID when absent.
   */
  requestId?: string | undefined;
}

export interface ApiKeyParams {
  /** `key_…` */
  apiKeyId: string;
}

export interface ApiKeyChangeParams extends ApiKeyParams {
  /** The etag of the state that the change is meant for; any state when absent. */
  etag?: string | undefined;
}

/** All filters that are given must hold. */
export interface ListApiKeysParams extends PageOptions {
  /** Only those of this service account, `svc_…`. */
  serviceAccountId?: string | undefined;
  /** Only keys that are honoured now, or could be again, and that expire before this time. */
  expireBefore?: Date | undefined;
}

/** What is absent stays as it is. */
export interface UpdateApiKeyParams extends ApiKeyChangeParams {
  name?: string | undefined;
  description?: string | undefined;
  /** Replace the labels that it has. */
  labels?: Readonly<Record<string, string>> | undefined;
  /** When the key stops being honoured; null: as late as may be. */
  expireTime?: Date | null | undefined;
  /** Replace the permissions that it has; null: all that its service account may. */
  permissions?: readonly string[] | null | undefined;
  /** How often the key may call; null: as often as its service account may. */
  rateLimit?: RateLimit | null | undefined;
  /** When the old key of a rotation is retired, at most 90 days ahead. */
  retireTime?: Date | undefined;
}

export interface EnableApiKeyParams extends ApiKeyChangeParams {
  /** Enables a key that was reported as leaked, which is refused otherwise. */
  force?: boolean | undefined;
}

export interface RotateApiKeyParams extends ApiKeyParams {
  /**
   * For how many seconds the old key is still honoured, at most 90 days; a day when absent. Less than
   * 10 minutes is refused for a key that was used in the last 10, unless forced.
   */
  overlapSeconds?: number | undefined;
  /**
   * When the successor stops being honoured; after as long a life as the old key was given, if it was
   * given an end, when absent. A key that makes this call cannot give a later end than its own.
   */
  expireTime?: Date | undefined;
  /** Takes a short overlap although the key is in use: those who hold the old key are refused after it. */
  force?: boolean | undefined;
  /**
   * Names the rotation: repeated by the same caller within 10 minutes, it gets the same successor with its
   * secret. A UUID when absent.
   */
  requestId?: string | undefined;
}

export interface RetireApiKeyParams extends ApiKeyParams {
  /** For how many seconds the old key must have been unused; 600 when absent. */
  quietPeriodSeconds?: number | undefined;
  /** Retires the key even if it is in use. */
  force?: boolean | undefined;
}

export interface RevokeApiKeyParams extends ApiKeyParams {
  /** Why it is revoked, for whoever reads the key later. */
  reason?: string | undefined;
}

export interface ApiKeyUsageParams extends ApiKeyParams {
  /** How many days to look back, up to 90; 30 when absent. */
  days?: number | undefined;
}

export interface ReportLeakedKeyParams {
  /** The secret that was found, `sk_…`. */
  secretKey: string;
  /** Where it was found, such as the URL of a commit. */
  source?: string | undefined;
}

const { method } = ApiKeyService;

/** `client.apiKeys`. Every method throws PdaasError, and TypeError for a wrong date or number of seconds. */
export class ApiKeys {
  readonly #caller: Caller;
  readonly #anonymousCaller: Caller;

  /** @param anonymousCaller calls without credentials */
  constructor(caller: Caller, anonymousCaller: Caller) {
    this.#caller = caller;
    this.#anonymousCaller = anonymousCaller;
  }

  /** Issues a key. Store its secret now: it is never shown again. */
  async issue(params: IssueApiKeyParams, options?: CallOptions): Promise<IssuedApiKey> {
    const { serviceAccountId, requestId = crypto.randomUUID() } = params;
    const request = { ...fieldsOf(params), serviceAccountId, requestId };
    return toIssuedApiKey(await this.#caller.call(method.issueApiKey, request, options));
  }

  /** Gets a key, also a revoked one. Never its secret. */
  async get({ apiKeyId }: ApiKeyParams, options?: CallOptions): Promise<ApiKey> {
    return unwrapApiKey(await this.#caller.call(method.getApiKey, { apiKeyId }, options));
  }

  /** Lists the keys of a service account, or of the whole organization, oldest first. */
  list(params: ListApiKeysParams = {}, options?: CallOptions): Listing<ApiKey> {
    const { serviceAccountId = "", pageSize = 0 } = params;
    const expireBefore = timestampOf(params.expireBefore, "expireBefore");
    return new Listing(async (pageToken) => {
      const request = { serviceAccountId, expireBefore, pageSize, pageToken };
      const answer = await this.#caller.call(method.listApiKeys, request, options);
      return toPage(answer.apiKeys.map(toApiKey), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Changes the fields that are given. What narrows the key counts once this has answered. */
  async update(params: UpdateApiKeyParams, options?: CallOptions): Promise<ApiKey> {
    const { apiKeyId, name, description, labels, expireTime, permissions, rateLimit } = params;
    const { retireTime } = params;
    const updateMask = maskOf({
      name,
      description,
      labels,
      expire_time: expireTime,
      permission_limit: permissions,
      rate_limit: rateLimit,
      retire_time: retireTime,
    });
    const request = {
      ...fieldsOf(params),
      apiKeyId,
      retireTime: timestampOf(retireTime, "retireTime"),
      updateMask,
      etag: params.etag ?? "",
    };
    return unwrapApiKey(await this.#caller.call(method.updateApiKey, request, options));
  }

  /** Stops a key: once this has answered, it is not honoured. */
  async disable(params: ApiKeyChangeParams, options?: CallOptions): Promise<ApiKey> {
    const { apiKeyId, etag = "" } = params;
    const settings = { ...options, repeatable: etag === "" };
    const request = { apiKeyId, etag };
    return unwrapApiKey(await this.#caller.call(method.disableApiKey, request, settings));
  }

  /** Undoes disable. */
  async enable(params: EnableApiKeyParams, options?: CallOptions): Promise<ApiKey> {
    const { apiKeyId, etag = "", force = false } = params;
    const settings = { ...options, repeatable: etag === "" };
    const request = { apiKeyId, etag, force };
    return unwrapApiKey(await this.#caller.call(method.enableApiKey, request, settings));
  }

  /** Revokes a key for good: once this has answered, it is not honoured. */
  async revoke(params: RevokeApiKeyParams, options?: CallOptions): Promise<ApiKey> {
    const { apiKeyId, reason = "" } = params;
    const settings = { ...options, repeatable: true };
    const request = { apiKeyId, reason };
    return unwrapApiKey(await this.#caller.call(method.revokeApiKey, request, settings));
  }

  /**
   * Issues the successor of a key, with the same limits. Both are honoured until the overlap is over:
   * hand the successor to whoever holds the old key, and end the overlap with `retire`. Store the
   * successor's secret now: it is never shown again.
   */
  async rotate(params: RotateApiKeyParams, options?: CallOptions): Promise<RotatedApiKey> {
    const { apiKeyId, force = false, requestId = crypto.randomUUID() } = params;
    const overlap = durationOf(params.overlapSeconds, "overlapSeconds");
    const expireTime = timestampOf(params.expireTime, "expireTime");
    const request = { apiKeyId, overlap, expireTime, force, requestId };
    return toRotatedApiKey(await this.#caller.call(method.rotateApiKey, request, options));
  }

  /**
   * Ends the overlap of a rotation: the old key expires now. Refused with `API_KEY_IN_USE` while the old
   * key is in use.
   */
  async retire(params: RetireApiKeyParams, options?: CallOptions): Promise<ApiKey> {
    const { apiKeyId, force = false } = params;
    const quietPeriod = durationOf(params.quietPeriodSeconds, "quietPeriodSeconds");
    const settings = { ...options, repeatable: true };
    const request = { apiKeyId, quietPeriod, force };
    return unwrapApiKey(await this.#caller.call(method.retireApiKey, request, settings));
  }

  /** Tells how a key was used: its calls of each day, and the addresses that they came from. */
  async usage(params: ApiKeyUsageParams, options?: CallOptions): Promise<ApiKeyUsage> {
    const { apiKeyId, days = 0 } = params;
    return toUsage(await this.#caller.call(method.getApiKeyUsage, { apiKeyId, days }, options));
  }

  /**
   * Disables a key whose secret was found where it should not be, whoever's it is. It is sent without this
   * client's credentials: whoever has the secret may report it.
   */
  async reportLeaked(params: ReportLeakedKeyParams, options?: CallOptions): Promise<LeakReport> {
    const { secretKey, source = "" } = params;
    const settings = { ...options, repeatable: true };
    const request = { secretKey, source };
    const answer = await this.#anonymousCaller.call(method.reportLeakedKey, request, settings);
    return { accessKey: answer.accessKey, state: nameOf(ApiKeyState, answer.state) };
  }
}

/** What may be chosen of a key, as the contract has it. */
function fieldsOf(params: Omit<UpdateApiKeyParams, keyof ApiKeyChangeParams>) {
  const { permissions } = params;
  return {
    name: params.name ?? "",
    description: params.description ?? "",
    labels: { ...params.labels },
    expireTime: timestampOf(params.expireTime, "expireTime"),
    permissionLimit: permissions ? { permissions: [...permissions] } : undefined,
    rateLimit: rateLimitOf(params.rateLimit),
  };
}

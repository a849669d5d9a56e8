import {
  ApiKeyService,
  ApiKeyState,
  type ApiKey as Message,
} from "../../../../gen/pdaas/v1/api_key_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import { dateOf, type NameOf, nameOf, present } from "./plain.ts";

/** A credential of a service account, without its secret. */
export interface ApiKey {
  /** `key_…` */
  id: string;
  /** The service account that it belongs to, `svc_…`. */
  serviceAccountId: string;
  /** The public half, `sa_…`. */
  accessKey: string;
  description: string;
  /** Whether the key is honoured, if its service account is. */
  state: NameOf<typeof ApiKeyState>;
  createTime: Date;
  /** When the key was revoked; undefined while it is not. */
  revokeTime: Date | undefined;
}

/**
 * A key with its secret, which no later call returns. `JSON.stringify` and Node's `console.log` show
 * `[redacted]` in its place: read `secretKey` itself to store it.
 */
export interface IssuedApiKey extends ApiKey {
  /** The secret half, `sk_…`. */
  secretKey: string;
}

export interface IssueApiKeyParams {
  /** The service account that the key is for, `svc_…`. */
  serviceAccountId: string;
  /** What the key is for, such as the machine that holds it. */
  description?: string | undefined;
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

export interface ListApiKeysParams extends PageOptions {
  /** `svc_…` */
  serviceAccountId: string;
}

const { method } = ApiKeyService;

/** `client.apiKeys`. Every method throws PdaasError. */
export class ApiKeys {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Issues a key. Store its secret now: it is never shown again. */
  async issue(params: IssueApiKeyParams, options?: CallOptions): Promise<IssuedApiKey> {
    const { serviceAccountId, description = "", requestId = crypto.randomUUID() } = params;
    const request = { serviceAccountId, description, requestId };
    const answer = await this.#caller.call(method.issueApiKey, request, options);
    return guarded({ ...unwrap(answer), secretKey: answer.secretKey });
  }

  /** Gets a key, also a revoked one. Never its secret. */
  async get({ apiKeyId }: ApiKeyParams, options?: CallOptions): Promise<ApiKey> {
    return unwrap(await this.#caller.call(method.getApiKey, { apiKeyId }, options));
  }

  /** Lists the keys of a service account, oldest first. */
  list(params: ListApiKeysParams, options?: CallOptions): Listing<ApiKey> {
    const { serviceAccountId, pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const request = { serviceAccountId, pageSize, pageToken };
      const answer = await this.#caller.call(method.listApiKeys, request, options);
      return toPage(answer.apiKeys.map(toApiKey), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Revokes a key for good: once this has answered, it is not honoured. */
  async revoke({ apiKeyId }: ApiKeyParams, options?: CallOptions): Promise<ApiKey> {
    const settings = { ...options, repeatable: true };
    return unwrap(await this.#caller.call(method.revokeApiKey, { apiKeyId }, settings));
  }
}

/** Keeps the secret out of logs, where whole objects are printed. */
function guarded(key: IssuedApiKey): IssuedApiKey {
  const redacted = () => ({ ...key, secretKey: "[redacted]" });
  return Object.defineProperties(key, {
    toJSON: { value: redacted },
    [Symbol.for("nodejs.util.inspect.custom")]: { value: redacted },
  });
}

function unwrap(answer: { apiKey?: Message | undefined }): ApiKey {
  return toApiKey(present(answer.apiKey, "the API key"));
}

function toApiKey(message: Message): ApiKey {
  return {
    id: message.id,
    serviceAccountId: message.serviceAccountId,
    accessKey: message.accessKey,
    description: message.description,
    state: nameOf(ApiKeyState, message.state),
    createTime: dateOf(present(message.createTime, "create_time")),
    revokeTime: dateOf(message.revokeTime),
  };
}

import {
  ApiKeyState,
  type GetApiKeyUsageResponse,
  type ApiKey as Message,
  type RotateApiKeyResponse,
  type ApiKeyUse as UseMessage,
} from "../../../../gen/pdaas/v1/api_key_service_pb.ts";
import { dateOf, filled, type NameOf, nameOf, present } from "./plain.ts";
import { type RateLimit, toRateLimit } from "./rate-limit.ts";
import { redacting } from "./redacted.ts";

/** A credential of a service account, without its secret. */
export interface ApiKey {
  /** `key_…` */
  id: string;
  /** The service account that it belongs to, `svc_…`. */
  serviceAccountId: string;
  /** The public half, `sa_…`. */
  accessKey: string;
  name: string;
  description: string;
  labels: Record<string, string>;
  /** Whether the key is honoured, if its service account is. */
  state: NameOf<typeof ApiKeyState>;
  /** The most that the key may do, sorted; undefined: all that its service account may. */
  permissions: string[] | undefined;
  /** How often the key may call; undefined: as often as its service account may. */
  rateLimit: RateLimit | undefined;
  /** Changes with every change of the key. Its use changes nothing. */
  etag: string;
  createTime: Date;
  updateTime: Date;
  /** When the key stops being honoured; undefined when it is for ever. */
  expireTime: Date | undefined;
  /** When the key stops being honoured because another replaces it; undefined while none does. */
  retireTime: Date | undefined;
  /** When the key was disabled; undefined while it is not. */
  disableTime: Date | undefined;
  /** When the key was revoked; undefined while it is not. */
  revokeTime: Date | undefined;
  /** Why it was revoked, as whoever did it has put it. */
  revokeReason: string;
  /** The key that this one replaces, `key_…`. */
  predecessorId: string | undefined;
  /** The key that replaces this one, `key_…`. */
  successorId: string | undefined;
  /** The last use, some seconds late; undefined while there was none. */
  lastUse: ApiKeyUse | undefined;
  /** The last use of the key that replaces this one. */
  successorLastUse: ApiKeyUse | undefined;
  /** When the key was reported as leaked; undefined while it was not. */
  leakTime: Date | undefined;
  /** Where it was found, as whoever reported it has put it. */
  leakSource: string;
}

/**
 * A key with its secret, which no later call returns. `JSON.stringify` and Node's `console.log` show
 * `[redacted]` in its place: read `secretKey` itself to store it.
 */
export interface IssuedApiKey extends ApiKey {
  /** The secret half, `sk_…`. */
  secretKey: string;
}

/** What became of a key that was rotated. */
export interface RotatedApiKey {
  /** The successor, with its secret. */
  key: IssuedApiKey;
  /** The old key: honoured until its `retireTime`. */
  predecessor: ApiKey;
}

/** A call whose signature held. */
export interface ApiKeyUse {
  time: Date;
  /** The address that the call came from; empty when it is not known. */
  address: string;
  /** What the caller claimed to be. */
  userAgent: string;
  /** The RPC that was called, such as `GetOrganization`. */
  rpc: string;
}

/** How a key was used. */
export interface ApiKeyUsage {
  /** The last use; undefined while there was none. */
  lastUse: ApiKeyUse | undefined;
  /** The days on which the key was used, newest first. */
  dailyUses: DailyUse[];
  /** The addresses that it was used from, latest first; at most 100. */
  addressUses: AddressUse[];
}

/** The use of a key on one day. */
export interface DailyUse {
  /** The day in UTC, such as `2026-11-23`. */
  date: string;
  /** Calls whose signature held. */
  calls: number;
}

/** The use of a key from one address. */
export interface AddressUse {
  address: string;
  /** Calls from it in the last 90 days. */
  calls: number;
  /** The latest of them. */
  lastTime: Date;
}

/** What became of a key that was reported as leaked. */
export interface LeakReport {
  /** The public half of the key, `sa_…`. */
  accessKey: string;
  /** The key's state after the report. */
  state: NameOf<typeof ApiKeyState>;
}

export function toApiKey(message: Message): ApiKey {
  return {
    id: message.id,
    serviceAccountId: message.serviceAccountId,
    accessKey: message.accessKey,
    name: message.name,
    description: message.description,
    labels: { ...message.labels },
    state: nameOf(ApiKeyState, message.state),
    permissions: message.permissionLimit && [...message.permissionLimit.permissions],
    rateLimit: toRateLimit(message.rateLimit),
    etag: message.etag,
    createTime: dateOf(present(message.createTime, "create_time")),
    // An issued key is not lost for a service that does not tell it yet.
    updateTime: dateOf(present(message.updateTime ?? message.createTime, "update_time")),
    expireTime: dateOf(message.expireTime),
    retireTime: dateOf(message.retireTime),
    disableTime: dateOf(message.disableTime),
    revokeTime: dateOf(message.revokeTime),
    revokeReason: message.revokeReason,
    predecessorId: filled(message.predecessorId),
    successorId: filled(message.successorId),
    lastUse: toUse(message.lastUse),
    successorLastUse: toUse(message.successorLastUse),
    leakTime: dateOf(message.leakTime),
    leakSource: message.leakSource,
  };
}

export function unwrapApiKey(answer: { apiKey?: Message | undefined }): ApiKey {
  return toApiKey(present(answer.apiKey, "the API key"));
}

export function toIssuedApiKey(answer: {
  apiKey?: Message | undefined;
  secretKey: string;
}): IssuedApiKey {
  return redacting({ ...unwrapApiKey(answer), secretKey: answer.secretKey }, "secretKey");
}

export function toRotatedApiKey(answer: RotateApiKeyResponse): RotatedApiKey {
  const predecessor = toApiKey(present(answer.predecessor, "the predecessor"));
  return { key: toIssuedApiKey(answer), predecessor };
}

export function toUsage({ lastUse, dailyUses, addressUses }: GetApiKeyUsageResponse): ApiKeyUsage {
  return {
    lastUse: toUse(lastUse),
    dailyUses: dailyUses.map(({ date, calls }) => ({ date, calls: Number(calls) })),
    addressUses: addressUses.map(({ address, calls, lastTime }) => ({
      address,
      calls: Number(calls),
      lastTime: dateOf(present(lastTime, "last_time")),
    })),
  };
}

function toUse(message: UseMessage | undefined): ApiKeyUse | undefined {
  if (message === undefined) return undefined;
  const { time, address, userAgent, rpc } = message;
  return { time: dateOf(present(time, "time")), address, userAgent, rpc };
}

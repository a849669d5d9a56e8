import {
  type Organization as Message,
  OrganizationService,
} from "../../../../gen/pdaas/v1/organization_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { dateOf, durationOf, maskOf, present, secondsOf } from "./plain.ts";

/** A tenant of the service. */
export interface Organization {
  /** `org_…` */
  id: string;
  /** The short name that users log in with and access keys carry, such as `myorg`. */
  slug: string;
  name: string;
  createTime: Date;
  /** The longest life that an API key may be given, in seconds; undefined: without limit. */
  maxApiKeyLifetimeSeconds: number | undefined;
  /** How many keys a service account may have that are neither revoked, nor expired, nor replaced. */
  maxApiKeysPerServiceAccount: number;
  /** How long the audit log is kept, in seconds; undefined: for ever. */
  auditRetentionSeconds: number | undefined;
}

/** What is absent stays as it is. */
export interface UpdateOrganizationParams {
  name?: string | undefined;
  /**
   * The longest life that an API key may be given, in seconds, from an hour to 10 years; null: without
   * limit. Keys that there are already keep their end.
   */
  maxApiKeyLifetimeSeconds?: number | null | undefined;
  /** How many keys a service account may have that are neither revoked, nor expired, nor replaced: 1 to 100. */
  maxApiKeysPerServiceAccount?: number | undefined;
  /**
   * How long the audit log is kept, in seconds: whole days, from 30 to 3,650; null: for ever. What is older
   * is dropped month by month, for good.
   */
  auditRetentionSeconds?: number | null | undefined;
}

const { method } = OrganizationService;

/** `client.organizations`. Every method throws PdaasError. */
export class Organizations {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Gets the caller's own organization. */
  async getInfo(options?: CallOptions): Promise<Organization> {
    return unwrap(await this.#caller.call(method.getOrganization, {}, options));
  }

  /** Changes the fields of the caller's own organization that are given. */
  async update(params: UpdateOrganizationParams, options?: CallOptions): Promise<Organization> {
    const { name, maxApiKeyLifetimeSeconds, maxApiKeysPerServiceAccount } = params;
    const { auditRetentionSeconds } = params;
    const request = {
      name: name ?? "",
      maxApiKeyLifetime: durationOf(maxApiKeyLifetimeSeconds, "maxApiKeyLifetimeSeconds"),
      maxApiKeysPerServiceAccount: maxApiKeysPerServiceAccount ?? 0,
      auditRetention: durationOf(auditRetentionSeconds, "auditRetentionSeconds"),
      updateMask: maskOf({
        name,
        max_api_key_lifetime: maxApiKeyLifetimeSeconds,
        max_api_keys_per_service_account: maxApiKeysPerServiceAccount,
        audit_retention: auditRetentionSeconds,
      }),
    };
    return unwrap(await this.#caller.call(method.updateOrganization, request, options));
  }
}

function unwrap(answer: { organization?: Message | undefined }): Organization {
  const message = present(answer.organization, "the organization");
  return {
    id: message.id,
    slug: message.slug,
    name: message.name,
    createTime: dateOf(present(message.createTime, "create_time")),
    maxApiKeyLifetimeSeconds: secondsOf(message.maxApiKeyLifetime),
    maxApiKeysPerServiceAccount: message.maxApiKeysPerServiceAccount,
    auditRetentionSeconds: secondsOf(message.auditRetention),
  };
}

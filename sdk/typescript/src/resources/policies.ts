import { PolicyService } from "../../../../gen/pdaas/v1/policy_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import { maskOf, present } from "./plain.ts";
import {
  type Policy,
  type PolicyAttachment,
  type PolicyChangeTest,
  type PolicySchema,
  toAttachment,
  toChangeTest,
  toPolicy,
  toPolicySchema,
  unwrapPolicy,
} from "./policy.ts";

export interface CreatePolicyParams {
  /** Unique in the organization. */
  name: string;
  /** What the policy is for. */
  description?: string | undefined;
  /** The Cedar text: one or more statements. */
  text: string;
  /** Names the creation, so that repeating it creates nothing more; a UUID when absent. */
  requestId?: string | undefined;
}

export interface PolicyParams {
  /** `pol_…` */
  policyId: string;
}

export interface PolicyChangeParams extends PolicyParams {
  /** The etag of the state that the change is meant for; any state when absent. */
  etag?: string | undefined;
}

/** What is absent stays as it is. */
export interface UpdatePolicyParams extends PolicyChangeParams {
  name?: string | undefined;
  description?: string | undefined;
  /** The new Cedar text, in the place of the old one. */
  text?: string | undefined;
}

export interface PolicyAttachmentParams extends PolicyParams {
  /** What it is attached to: `usr_…`, `svc_…`, `grp_…`, `org_…`, or an account such as `acc-123`. */
  targetId: string;
}

/** All filters that are given must hold. */
export interface ListPolicyAttachmentsParams extends PageOptions {
  /** Only attachments of this policy, `pol_…`. */
  policyId?: string | undefined;
  /** Only attachments to this user, service account, group, account or organization. */
  targetId?: string | undefined;
}

/** The change is the text, the attachments, or both. */
export interface TestPolicyChangeParams {
  /** `pol_…`; absent for a policy that is not there yet. */
  policyId?: string | undefined;
  /** The new Cedar text; as it is when absent. */
  text?: string | undefined;
  /** What the policy would be attached to, beside what it is attached to already. */
  attachTo?: readonly string[] | undefined;
  /** What the policy would be detached from. */
  detachFrom?: readonly string[] | undefined;
  /** How many days of recorded calls to try, up to 90; 7 when absent. */
  days?: number | undefined;
}

export interface UpdatePolicySchemaParams {
  /** What the organization's own applications declare, as a Cedar schema; empty to declare nothing. */
  applicationText: string;
  /** The etag of the state that the change is meant for; any state when absent. */
  etag?: string | undefined;
}

const { method } = PolicyService;

/** `client.policies`. Every method throws PdaasError. */
export class Policies {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Creates a policy. It does nothing before it is attached. */
  async create(params: CreatePolicyParams, options?: CallOptions): Promise<Policy> {
    const { name, description = "", text, requestId = crypto.randomUUID() } = params;
    const request = { name, description, text, requestId };
    return unwrapPolicy(await this.#caller.call(method.createPolicy, request, options));
  }

  /** Gets a policy, also one that comes with the product. */
  async get({ policyId }: PolicyParams, options?: CallOptions): Promise<Policy> {
    return unwrapPolicy(await this.#caller.call(method.getPolicy, { policyId }, options));
  }

  /** Lists policies: first those that come with the product, then the organization's own, oldest first. */
  list(params: PageOptions = {}, options?: CallOptions): Listing<Policy> {
    const { pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const answer = await this.#caller.call(method.listPolicies, { pageSize, pageToken }, options);
      return toPage(answer.policies.map(toPolicy), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Changes the fields that are given, for all whom the policy is attached to. */
  async update(params: UpdatePolicyParams, options?: CallOptions): Promise<Policy> {
    const { policyId, name, description, text, etag = "" } = params;
    const request = {
      policyId,
      name: name ?? "",
      description: description ?? "",
      text: text ?? "",
      updateMask: maskOf({ name, description, text }),
      etag,
    };
    return unwrapPolicy(await this.#caller.call(method.updatePolicy, request, options));
  }

  /** Deletes a policy that is attached to nothing. */
  async delete({ policyId, etag = "" }: PolicyChangeParams, options?: CallOptions): Promise<void> {
    await this.#caller.call(method.deletePolicy, { policyId, etag }, options);
  }

  /** Attaches a policy: from then on it holds for the target. Attaching it again changes nothing. */
  async attach(params: PolicyAttachmentParams, options?: CallOptions): Promise<PolicyAttachment> {
    const { policyId, targetId } = params;
    const settings = { ...options, repeatable: true };
    const answer = await this.#caller.call(method.attachPolicy, { policyId, targetId }, settings);
    return toAttachment(present(answer.policyAttachment, "the attachment"));
  }

  /**
   * Detaches a policy: once this has answered, what it alone has permitted is refused. Detaching what is
   * not attached changes nothing.
   */
  async detach(params: PolicyAttachmentParams, options?: CallOptions): Promise<void> {
    const { policyId, targetId } = params;
    const settings = { ...options, repeatable: true };
    await this.#caller.call(method.detachPolicy, { policyId, targetId }, settings);
  }

  /** Lists what policies are attached to, in the order of attachment. */
  listAttachments(
    params: ListPolicyAttachmentsParams = {},
    options?: CallOptions,
  ): Listing<PolicyAttachment> {
    const { policyId = "", targetId = "", pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const request = { policyId, targetId, pageSize, pageToken };
      const answer = await this.#caller.call(method.listPolicyAttachments, request, options);
      return toPage(answer.policyAttachments.map(toAttachment), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Tells which recorded calls a change of policies would answer otherwise. Nothing is changed. */
  async testChange(
    params: TestPolicyChangeParams,
    options?: CallOptions,
  ): Promise<PolicyChangeTest> {
    const { policyId = "", text = "", days = 0 } = params;
    const attachTo = [...(params.attachTo ?? [])];
    const detachFrom = [...(params.detachFrom ?? [])];
    const request = { policyId, text, attachTo, detachFrom, days };
    return toChangeTest(await this.#caller.call(method.testPolicyChange, request, options));
  }

  /** Gets the Cedar schema that policies are held to. */
  async getSchema(options?: CallOptions): Promise<PolicySchema> {
    return toPolicySchema(await this.#caller.call(method.getPolicySchema, {}, options));
  }

  /** Declares the actions and the types of resource of the organization's own applications. */
  async updateSchema(
    params: UpdatePolicySchemaParams,
    options?: CallOptions,
  ): Promise<PolicySchema> {
    const { applicationText, etag = "" } = params;
    const request = { applicationText, etag };
    return toPolicySchema(await this.#caller.call(method.updatePolicySchema, request, options));
  }
}

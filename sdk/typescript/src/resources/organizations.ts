import { OrganizationService } from "../../../../gen/pdaas/v1/organization_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { dateOf, present } from "./plain.ts";

/** A tenant of the service. */
export interface Organization {
  /** `org_…` */
  id: string;
  /** The short name that users log in with and access keys carry, such as `myorg`. */
  slug: string;
  name: string;
  createTime: Date;
}

/** `client.organizations`. */
export class Organizations {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /**
   * Gets the caller's own organization.
   * @throws PdaasError
   */
  async getInfo(options?: CallOptions): Promise<Organization> {
    const { getOrganization } = OrganizationService.method;
    const answer = await this.#caller.call(getOrganization, {}, options);
    const { id, slug, name, createTime } = present(answer.organization, "the organization");
    return { id, slug, name, createTime: dateOf(present(createTime, "create_time")) };
  }
}

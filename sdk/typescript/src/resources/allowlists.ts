import {
  AllowlistService,
  type AllowlistEntry as EntryMessage,
  type Allowlist as Message,
} from "../../../../gen/pdaas/v1/allowlist_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import {
  type AddressTest,
  type Allowlist,
  type AllowlistEntry,
  type AllowlistSuggestion,
  toAddressTest,
  toAllowlist,
  toEntry,
  toSuggestion,
} from "./allowlist.ts";
import { maskOf, present, timestampOf } from "./plain.ts";

export interface AllowlistParams {
  /** Whose list: `org_…`, an account such as `acc-123`, `svc_…` or `key_…`. */
  resourceId: string;
}

export interface ListAllowlistEntriesParams extends AllowlistParams, PageOptions {}

/** What changes who may call. */
export interface AllowlistChangeParams {
  /** Makes the change even if it refuses the address that it is made from. */
  force?: boolean | undefined;
}

export interface AddAllowlistEntryParams extends AllowlistParams, AllowlistChangeParams {
  /** The addresses, as a canonical CIDR such as `203.0.113.0/24` or `2001:db8::/32`. */
  cidr: string;
  /** Whose addresses they are. */
  description?: string | undefined;
  /** When the entry stops to admit anybody; never when absent. The list goes on to restrict. */
  expireTime?: Date | undefined;
  /** Names the addition, so that repeating it adds nothing more; a UUID when absent. */
  requestId?: string | undefined;
}

export interface AllowlistEntryParams {
  /** `alw_…` */
  allowlistEntryId: string;
}

/** What is absent stays as it is. */
export interface UpdateAllowlistEntryParams extends AllowlistEntryParams, AllowlistChangeParams {
  description?: string | undefined;
  /** When the entry stops to admit anybody; null: never. */
  expireTime?: Date | null | undefined;
}

export interface RemoveAllowlistEntryParams extends AllowlistEntryParams, AllowlistChangeParams {}

export interface SetReportOnlyParams extends AllowlistParams, AllowlistChangeParams {
  /** Whether the list only reports. */
  reportOnly: boolean;
}

export interface TestAddressParams {
  /** What a call would be made with: `key_…`; or by: `svc_…`, an account, or `org_…` for a user. */
  resourceId: string;
  /** Such as `203.0.113.7`. */
  address: string;
}

const { method } = AllowlistService;

/**
 * `client.allowlists`: the addresses that calls may come from. A list without entries does not restrict;
 * all lists that apply to a call must agree. Every method throws PdaasError.
 */
export class Allowlists {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Adds an entry to a list. The first one makes the list restrict. */
  async add(params: AddAllowlistEntryParams, options?: CallOptions): Promise<AllowlistEntry> {
    const { resourceId, cidr, description = "", force = false } = params;
    const { requestId = crypto.randomUUID() } = params;
    const expireTime = timestampOf(params.expireTime, "expireTime");
    const request = { resourceId, cidr, description, expireTime, force, requestId };
    return unwrapEntry(await this.#caller.call(method.createAllowlistEntry, request, options));
  }

  /** Gets an entry. */
  async get(params: AllowlistEntryParams, options?: CallOptions): Promise<AllowlistEntry> {
    const request = { allowlistEntryId: params.allowlistEntryId };
    return unwrapEntry(await this.#caller.call(method.getAllowlistEntry, request, options));
  }

  /** Lists the entries of a list, expired ones too, oldest first. */
  list(params: ListAllowlistEntriesParams, options?: CallOptions): Listing<AllowlistEntry> {
    const { resourceId, pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const request = { resourceId, pageSize, pageToken };
      const answer = await this.#caller.call(method.listAllowlistEntries, request, options);
      return toPage(answer.allowlistEntries.map(toEntry), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Changes the fields of an entry that are given. Its addresses stay: add another entry for others. */
  async update(params: UpdateAllowlistEntryParams, options?: CallOptions): Promise<AllowlistEntry> {
    const { allowlistEntryId, description, expireTime, force = false } = params;
    const request = {
      allowlistEntryId,
      description: description ?? "",
      expireTime: timestampOf(expireTime, "expireTime"),
      updateMask: maskOf({ description, expire_time: expireTime }),
      force,
    };
    return unwrapEntry(await this.#caller.call(method.updateAllowlistEntry, request, options));
  }

  /** Removes an entry. A list whose last entry is removed does not restrict any more. */
  async remove(params: RemoveAllowlistEntryParams, options?: CallOptions): Promise<void> {
    const { allowlistEntryId, force = false } = params;
    const request = { allowlistEntryId, force };
    await this.#caller.call(method.deleteAllowlistEntry, request, options);
  }

  /** Gets a list itself: whether it restricts, and whether it only reports. */
  async getAllowlist(params: AllowlistParams, options?: CallOptions): Promise<Allowlist> {
    const request = { resourceId: params.resourceId };
    return unwrap(await this.#caller.call(method.getAllowlist, request, options));
  }

  /** Switches a list between refusing and only reporting. */
  async setReportOnly(params: SetReportOnlyParams, options?: CallOptions): Promise<Allowlist> {
    const { resourceId, reportOnly, force = false } = params;
    const settings = { ...options, repeatable: true };
    const request = { resourceId, reportOnly, force };
    return unwrap(await this.#caller.call(method.updateAllowlist, request, settings));
  }

  /** Tells what the lists that apply to a resource say of an address, and which of them decides. */
  async testAddress(params: TestAddressParams, options?: CallOptions): Promise<AddressTest> {
    const { resourceId, address } = params;
    const request = { resourceId, address };
    return toAddressTest(await this.#caller.call(method.testAddress, request, options));
  }

  /**
   * Suggests entries from the addresses that a key, or the keys of a service account or of an account,
   * were used from in the last 90 days.
   * @returns the most used first, at most 100
   */
  async suggest(params: AllowlistParams, options?: CallOptions): Promise<AllowlistSuggestion[]> {
    const request = { resourceId: params.resourceId };
    const answer = await this.#caller.call(method.suggestAllowlistEntries, request, options);
    return answer.suggestions.map(toSuggestion);
  }
}

function unwrap(answer: { allowlist?: Message | undefined }): Allowlist {
  return toAllowlist(present(answer.allowlist, "the allowlist"));
}

function unwrapEntry(answer: { allowlistEntry?: EntryMessage | undefined }): AllowlistEntry {
  return toEntry(present(answer.allowlistEntry, "the entry"));
}

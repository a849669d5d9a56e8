import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { AllowlistService } from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { type Allowlist, Allowlists, find, levelOf } from "../../auth/allowlists.ts";
import { networkOf, parseAddress } from "../../auth/cidr.ts";
import { readAllowlists } from "../../store/allowlists.ts";
import {
  type AddressUse,
  listCommonAddresses,
  type UsersOfAddresses,
} from "../../store/api-key-uses.ts";
import type { Handler } from "../handler.ts";
import { resourcePath } from "./resource.ts";

const maxAddresses = 1_000;
const maxSuggestions = 100;

export const suggestAllowlistEntries: Handler<
  typeof AllowlistService.method.suggestAllowlistEntries
> = async (app, call, { resourceId }) => {
  const { organizationId } = call.principal;
  await resourcePath(app.db, organizationId, resourceId);
  const users = usersOf(organizationId, resourceId);
  const uses = await listCommonAddresses(app.db, users, maxAddresses);
  const { lists } = Allowlists.of(await readAllowlists(app.db, organizationId, [resourceId]));
  const list = lists.find((list) => list.resourceId === resourceId);
  const known = uses.filter(({ address }) => toNetwork(address) !== undefined);
  const networks = [...Map.groupBy(known, ({ address }) => toNetwork(address) as string)];
  const suggestions = networks.map(([cidr, uses]) => toSuggestion(cidr, uses, list));
  suggestions.sort((a, b) => Number(b.calls - a.calls));
  return { suggestions: suggestions.slice(0, maxSuggestions) };
};

function usersOf(organizationId: string, resourceId: string): UsersOfAddresses {
  switch (levelOf(resourceId)) {
    case "ORGANIZATION":
      return { organizationId };
    case "ACCOUNT":
      return { organizationId, accountId: resourceId };
    case "SERVICE_ACCOUNT":
      return { organizationId, serviceAccountId: resourceId };
    case "API_KEY":
      return { organizationId, apiKeyId: resourceId };
  }
}

/** Of IPv6 the network is what is stored; undefined for what is no address. */
function toNetwork(address: string): string | undefined {
  const host = parseAddress(hostOf(address));
  return host === undefined ? undefined : networkOf(host.toString());
}

const hostOf = (address: string) => address.split("/", 1)[0] ?? "";

function toSuggestion(cidr: string, uses: AddressUse[], list: Allowlist | undefined) {
  const contains = ({ address }: AddressUse) =>
    list !== undefined && find(list, parseAddress(hostOf(address)), Date.now()) !== undefined;
  return {
    cidr,
    calls: uses.reduce((sum, { calls }) => sum + BigInt(calls), 0n),
    lastTime: timestampFromDate(new Date(Math.max(...uses.map((use) => use.last_time.getTime())))),
    covered: uses.every(contains),
  };
}

import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  AllowlistOutcome,
  type AllowlistService,
  type AllowlistVerdictSchema,
} from "../../../gen/pdaas/v1/allowlist_service_pb.ts";
import { type Allowlist, Allowlists, find } from "../../auth/allowlists.ts";
import { type ParsedAddress, parseAddress } from "../../auth/cidr.ts";
import { invalidFields } from "../../errors.ts";
import { findAllowlistEntry, readAllowlists } from "../../store/allowlists.ts";
import type { App } from "../app.ts";
import type { Handler } from "../handler.ts";
import { toAllowlistEntry } from "../resources.ts";
import { resourcePath, toLevel } from "./resource.ts";

export const testAddress: Handler<typeof AllowlistService.method.testAddress> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const path = await resourcePath(app.db, organizationId, request.resourceId);
  const address = readAddress(request.address);
  const { lists } = Allowlists.of(await readAllowlists(app.db, organizationId, path.slice(1)));
  const verdicts: MessageInitShape<typeof AllowlistVerdictSchema>[] = [];
  for (const resourceId of path) {
    const list = lists.find((list) => list.resourceId === resourceId);
    const verdict = list && (await verdictOf(app, organizationId, list, address));
    const unrestricted = { outcome: AllowlistOutcome.UNRESTRICTED };
    verdicts.push({ resourceId, level: toLevel(resourceId), ...(verdict ?? unrestricted) });
  }
  const deciding = verdicts.find(({ outcome }) => outcome === AllowlistOutcome.REFUSED);
  return {
    allowed: deciding === undefined,
    decidingResourceId: deciding?.resourceId ?? "",
    verdicts,
  };
};

async function verdictOf(
  app: App,
  organizationId: string,
  list: Allowlist,
  address: ParsedAddress,
): Promise<MessageInitShape<typeof AllowlistVerdictSchema>> {
  const entry = find(list, address, Date.now());
  if (entry === undefined) {
    return { outcome: list.reportOnly ? AllowlistOutcome.REPORTED : AllowlistOutcome.REFUSED };
  }
  const row = await findAllowlistEntry(app.db, organizationId, entry.id);
  return { outcome: AllowlistOutcome.ALLOWED, ...(row && { entry: toAllowlistEntry(row) }) };
}

function readAddress(text: string): ParsedAddress {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  const description =
    "must be an IPv4 or IPv6 address such as 203.0.113.7, without a prefix length or zone";
  throw invalidFields([{ field: "address", description }]);
}

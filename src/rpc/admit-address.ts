import type { Allowlist, Allowlists } from "../auth/allowlists.ts";
import { Code, ServiceError } from "../errors.ts";
import type { Principal } from "../iam/principal.ts";
import type { App } from "./app.ts";
import type { Call } from "./call.ts";

/**
 * Holds that a caller may call from where it does, and records what a list that only reports would
 * have refused.
 * @throws ServiceError ADDRESS_NOT_ALLOWED
 */
export function admitAddress(
  app: App,
  call: Call,
  principal: Principal,
  allowlists: Allowlists,
): void {
  const { refusing, reporting } = allowlists.judge(call.address, Date.now());
  if (refusing !== undefined) throw notAllowed(call.address, refusing);
  if (reporting === undefined) return;
  app.audit.recordReport(
    {
      ...call.audited({ organizationId: principal.organizationId, principal }),
      resourceType: "Allowlist",
      resourceId: reporting.resourceId,
    },
    addressReason(reporting),
  );
}

/** What the audit log says of an address that a list refuses. */
export function addressReason({ level }: Allowlist): string {
  return `ADDRESS_NOT_ALLOWED_BY_${level}`;
}

function notAllowed(address: string, list: Allowlist): ServiceError {
  return new ServiceError(
    Code.permissionDenied,
    "ADDRESS_NOT_ALLOWED",
    `Your address ${address || "(not known)"} is not on an allowlist that applies to you. Call from an allowed address, or ask an administrator to allow this one.`,
    { metadata: { address }, trueReason: addressReason(list) },
  );
}

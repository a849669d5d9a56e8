import { authorize } from "../iam/authorize.ts";
import type { Call } from "./call.ts";

/**
 * Whether a call's principal may make it, to the resource that the call is about.
 * @throws ServiceError PERMISSION_DENIED
 */
export function authorizeCall({ principal, method, resourceId }: Call): void {
  const { organizationId } = principal;
  authorize(principal, method, {
    type: method.access.resourceType,
    id: resourceId,
    organizationId,
  });
}

import { durationMs } from "@bufbuild/protobuf/wkt";
import type {
  OrganizationService,
  UpdateOrganizationRequest,
} from "../../../gen/pdaas/v1/organization_service_pb.ts";
import { type FieldViolation, invalidFields } from "../../errors.ts";
import {
  findOrganization,
  type OrganizationChanges,
  summaryOf,
  updateOrganization as updateRow,
} from "../../store/organizations.ts";
import { change } from "../change.ts";
import { maskedFields } from "../field-mask.ts";
import type { Handler } from "../handler.ts";
import { recordOrganization } from "../record.ts";
import { toOrganization } from "../resources.ts";

export const updateOrganization: Handler<
  typeof OrganizationService.method.updateOrganization
> = async (app, call, request) => {
  const changes = changesOf(request);
  const { organizationId } = call.principal;
  call.resourceId = organizationId;
  const row = await change(app, call, async (tx) => {
    const before = await findOrganization(tx, organizationId);
    return recordOrganization(call, before, await updateRow(tx, organizationId, changes));
  });
  return { organization: toOrganization(row.id, summaryOf(row)) };
};

const updatable = [
  "name",
  "max_api_key_lifetime",
  "max_api_keys_per_service_account",
  "audit_retention",
] as const;
const daySeconds = 86_400;

function changesOf(request: UpdateOrganizationRequest): OrganizationChanges {
  const fields = maskedFields(request.updateMask, updatable);
  const { name, maxApiKeyLifetime: lifetime, maxApiKeysPerServiceAccount: most } = request;
  const { auditRetention: retention } = request;
  const violations: FieldViolation[] = [];
  if (fields.has("name") && name === "") {
    violations.push({ field: "name", description: "must have 1 to 100 characters" });
  }
  if (fields.has("max_api_keys_per_service_account") && most < 1) {
    const description = "must be 1 to 100";
    violations.push({ field: "max_api_keys_per_service_account", description });
  }
  if (retention && (retention.nanos !== 0 || Number(retention.seconds) % daySeconds !== 0)) {
    violations.push({ field: "audit_retention", description: "must be whole days" });
  }
  if (violations.length > 0) throw invalidFields(violations);
  return {
    ...(fields.has("name") && { name }),
    ...(fields.has("max_api_key_lifetime") && {
      max_api_key_lifetime_seconds: lifetime ? Math.floor(durationMs(lifetime) / 1_000) : null,
    }),
    ...(fields.has("max_api_keys_per_service_account") && { max_api_keys: most }),
    ...(fields.has("audit_retention") && {
      audit_retention_days: retention ? Number(retention.seconds) / daySeconds : null,
    }),
  };
}

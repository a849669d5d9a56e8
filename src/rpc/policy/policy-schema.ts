import { type OrganizationSchema, organizationSchema } from "../../iam/application-schema.ts";
import { contractText } from "../../iam/schema.ts";
import type { Queryable } from "../../store/database.ts";
import { findApplicationSchema } from "../../store/policies.ts";
import { etagOf } from "../etag.ts";

/** The schema that an organization's policies are held to. */
export async function findSchema(
  db: Queryable,
  organizationId: string,
): Promise<OrganizationSchema> {
  const { application_text: text } = await findApplicationSchema(db, organizationId);
  return organizationSchema(text);
}

/** The schema as the contract shows it. */
export function toPolicySchema(row: { application_text: string; version: number }) {
  return {
    contractText: contractText(),
    applicationText: row.application_text,
    etag: etagOf(row),
  };
}

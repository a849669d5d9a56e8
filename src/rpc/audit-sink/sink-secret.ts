import { seal, sinkSecretContext, unseal } from "../../auth/sealing.ts";
import { newSecretKey } from "../../ids.ts";
import type { AuditSinkRow } from "../../store/audit-sinks.ts";
import type { OrganizationRow } from "../../store/organizations.ts";
import { dataKeyOf } from "../api-key/secret.ts";
import type { App } from "../app.ts";

type SealedFor = Pick<OrganizationRow, "id" | "sealed_data_key">;

/** A new secret of a sink, and what is stored of it. */
export function makeSinkSecret(app: App, organization: SealedFor, sinkId: string, version: number) {
  const secretKey = newSecretKey();
  const context = sinkSecretContext(organization.id, sinkId, version);
  const sealed = seal(dataKeyOf(app, organization), Buffer.from(secretKey), context);
  return { secretKey, columns: { sealed_secret: sealed, secret_version: version } };
}

export function openSinkSecret(
  app: App,
  organization: SealedFor,
  sink: Pick<AuditSinkRow, "id" | "sealed_secret" | "secret_version">,
): string {
  const context = sinkSecretContext(organization.id, sink.id, sink.secret_version);
  return unseal(dataKeyOf(app, organization), sink.sealed_secret, context).toString();
}

import {
  type AuditSinkService,
  type CreateAuditSinkRequest,
  CreateAuditSinkRequestSchema,
} from "../../../gen/pdaas/v1/audit_sink_service_pb.ts";
import { limitReached, notFound } from "../../errors.ts";
import { newId } from "../../ids.ts";
import { countAuditSinks, insertAuditSink } from "../../store/audit-sinks.ts";
import { auditHead } from "../../store/audit-tail.ts";
import type { Transaction } from "../../store/database.ts";
import { findOrganization } from "../../store/organizations.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { recordAuditSink } from "../record.ts";
import { toAuditSink } from "../resources.ts";
import { findSink } from "./find-sink.ts";
import { makeSinkSecret, openSinkSecret } from "./sink-secret.ts";
import { readSinkUrl } from "./sink-url.ts";

const maxSinks = 20;

export const createAuditSink: Handler<typeof AuditSinkService.method.createAuditSink> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const url = await readSinkUrl(request.url, app.isProduction);
  const { row, secretKey } = await change(app, call, async (tx) => {
    const organization = await findOrganization(tx, organizationId);
    if (organization === undefined) throw notFound("organization", organizationId);
    const claimed = await claim(tx, call, CreateAuditSinkRequestSchema, request, newId("snk"));
    const id = claimed.resourceId;
    call.resourceId = id;
    if (claimed.repeated) {
      const row = await findSink(tx, organizationId, id);
      return { row, secretKey: openSinkSecret(app, organization, row) };
    }
    await ensureRoom(tx, organizationId);
    const { secretKey, columns } = makeSinkSecret(app, organization, id, 1);
    const row = await insertAuditSink(tx, {
      id,
      organization_id: organizationId,
      url,
      ...columns,
      ...(await filtersOf(tx, organizationId, request)),
    });
    return { row: recordAuditSink(call, undefined, row), secretKey };
  });
  return { auditSink: toAuditSink(row), secretKey };
};

async function filtersOf(
  tx: Transaction,
  organizationId: string,
  { outcomes, actions, afterSequence }: CreateAuditSinkRequest,
) {
  const after = afterSequence ?? (await auditHead(tx, organizationId));
  return { outcomes, actions, delivered_sequence: Number(after) };
}

/** @throws ServiceError LIMIT_REACHED */
async function ensureRoom(tx: Transaction, organizationId: string): Promise<void> {
  if ((await countAuditSinks(tx, organizationId)) < maxSinks) return;
  throw limitReached(
    `Your organization has ${maxSinks} audit sinks, which is the most it can have. Delete one that is not used any more.`,
  );
}

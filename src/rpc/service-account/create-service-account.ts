import {
  CreateServiceAccountRequestSchema,
  type ServiceAccountService,
} from "../../../gen/pdaas/v1/service_account_service_pb.ts";
import { notFound } from "../../errors.ts";
import { newId } from "../../ids.ts";
import { findAccount } from "../../store/accounts.ts";
import { findServiceAccount, insertServiceAccount } from "../../store/service-accounts.ts";
import { ownLimits, rateForServiceAccount } from "../api-key/own-limits.ts";
import { change } from "../change.ts";
import { ensureMayGive } from "../grants.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { ensureKnown } from "../known-permissions.ts";
import { rateWithin } from "../rate-limit.ts";
import { recordServiceAccount } from "../record.ts";
import { toServiceAccount } from "../resources.ts";

export const createServiceAccount: Handler<
  typeof ServiceAccountService.method.createServiceAccount
> = async (app, call, request) => {
  const { organizationId } = call.principal;
  const row = await change(app, call, async (tx) => {
    ensureKnown(request.permissions, "permissions");
    await ensureMayGive(tx, call, request.permissions, [organizationId, request.accountId]);
    const most = rateForServiceAccount(await ownLimits(tx, call));
    const rate = rateWithin(most, request.rateLimit);
    const { resourceId, repeated } = await claim(
      tx,
      call,
      CreateServiceAccountRequestSchema,
      request,
      newId("svc"),
    );
    call.resourceId = resourceId;
    if (repeated) return findServiceAccount(tx, organizationId, resourceId);
    const account = await findAccount(tx, organizationId, request.accountId);
    if (account === undefined) throw notFound("account", request.accountId);
    const created = await insertServiceAccount(tx, {
      id: resourceId,
      organization_id: organizationId,
      account_id: account.id,
      name: request.name,
      description: request.description,
      permissions: [...request.permissions].sort(),
      ...rate,
    });
    call.accountId = account.id;
    return recordServiceAccount(call, undefined, created);
  });
  if (row === undefined) throw notFound("service account", call.resourceId);
  return { serviceAccount: toServiceAccount(row) };
};

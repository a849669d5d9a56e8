import {
  type AccountService,
  CreateAccountRequestSchema,
} from "../../../gen/pdaas/v1/account_service_pb.ts";
import { alreadyExists, notFound } from "../../errors.ts";
import { randomBase62 } from "../../ids.ts";
import { findAccount, insertAccount } from "../../store/accounts.ts";
import { change } from "../change.ts";
import type { Handler } from "../handler.ts";
import { claim } from "../idempotency.ts";
import { recordAccount } from "../record.ts";
import { toAccount } from "../resources.ts";

export const createAccount: Handler<typeof AccountService.method.createAccount> = async (
  app,
  call,
  request,
) => {
  const { organizationId } = call.principal;
  const wanted = request.accountId || `acc-${randomBase62(12).toLowerCase()}`;
  const row = await change(app, call, async (tx) => {
    const { resourceId, repeated } = await claim(
      tx,
      call,
      CreateAccountRequestSchema,
      request,
      wanted,
    );
    call.resourceId = resourceId;
    if (repeated) return findAccount(tx, organizationId, resourceId);
    const created = await insertAccount(tx, {
      organization_id: organizationId,
      id: resourceId,
      name: request.name || resourceId,
      description: request.description,
    });
    if (created === undefined)
      throw alreadyExists("account", resourceId, "Use it, or choose another identifier.");
    return recordAccount(call, undefined, created);
  });
  if (row === undefined) throw notFound("account", call.resourceId);
  return { account: toAccount(row) };
};

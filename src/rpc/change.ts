import type { Transaction } from "../store/database.ts";
import { holdAccessEpoch, raiseAccessEpoch } from "../store/organizations.ts";
import type { App } from "./app.ts";
import type { Actor, Call } from "./call.ts";
import { ensureStillAllowed } from "./still-allowed.ts";

/**
 * Carries a change out: `work`, its audit event and, where the contract says that it changes
 * access, the organization's raised access epoch are committed together or not at all. The epoch is
 * told to the replicas before this resolves, so the answer is never ahead of its effect.
 *
 * The organization's row is taken first, so that a change and another one that forbids it happen one
 * after the other: whoever has lost the permission meanwhile is refused here.
 */
export async function change<T>(
  app: App,
  call: Call,
  work: (tx: Transaction) => Promise<T>,
  actor: () => Actor = () => ({
    organizationId: call.principal.organizationId,
    principal: call.principal,
  }),
): Promise<T> {
  call.ensureLive();
  const { result, raised } = await app.db.transaction().execute(async (tx) => {
    const raised = await takeTurn(app, tx, call, actor);
    const result = await work(tx);
    await app.audit.recordChange(tx, { ...call.audited(actor()), changes: call.changes });
    call.ensureLive();
    return { result, raised };
  });
  if (raised !== undefined) await publish(app, raised);
  return result;
}

interface Raised {
  organizationId: string;
  epoch: number;
}

/** @returns the epoch that the change is committed with, if it raises it */
async function takeTurn(
  app: App,
  tx: Transaction,
  call: Call,
  actor: () => Actor,
): Promise<Raised | undefined> {
  const raises = call.method.access.changesAccess;
  // A login, which is nobody's turn: it changes what no other change depends on.
  if (call.caller === undefined && !raises) return undefined;
  const { organizationId } = actor();
  const epoch = await (raises ? raiseAccessEpoch : holdAccessEpoch)(tx, organizationId);
  if (call.caller !== undefined) {
    await ensureStillAllowed(app, tx, call, raises ? epoch - 1 : epoch);
  }
  return raises ? { organizationId, epoch } : undefined;
}

/** The change is committed, so a failure here fails nothing: the replicas' poll finds the epoch. */
async function publish(app: App, { organizationId, epoch }: Raised): Promise<void> {
  app.credentials.noteEpoch(organizationId, epoch);
  try {
    await app.replay.publishEpoch(organizationId, epoch);
  } catch (error) {
    app.log.warn({ err: error, organizationId, epoch }, "access epoch not published");
  }
}

import type { Principal } from "../iam/principal.ts";
import type { Transaction } from "../store/database.ts";
import { raiseAccessEpoch } from "../store/organizations.ts";
import type { App } from "./app.ts";
import type { Call } from "./call.ts";

/** Whose change it is, when the call itself has no principal yet. */
export interface Actor {
  organizationId: string;
  principal: Principal | undefined;
  apiKeyId?: string | undefined;
}

/**
 * Carries a change out: `work`, its audit event and, where the contract says that it changes
 * access, the organization's raised access epoch are committed together or not at all. The epoch is
 * told to the replicas before this resolves, so the answer is never ahead of its effect.
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
    const result = await work(tx);
    await app.audit.recordChange(tx, audited(call, actor()));
    const raised = call.method.access.changesAccess ? await raise(tx, actor()) : undefined;
    call.ensureLive();
    return { result, raised };
  });
  if (raised !== undefined) await publish(app, raised);
  return result;
}

/** What the audit log says of a call. */
export function audited(call: Call, actor: Actor) {
  return {
    ...actor,
    action: call.method.action,
    resourceType: call.method.access.resourceType,
    resourceId: call.resourceId,
    requestId: call.requestId,
    address: call.address,
    userAgent: call.userAgent,
  };
}

interface Raised {
  organizationId: string;
  epoch: number;
}

async function raise(tx: Transaction, { organizationId }: Actor): Promise<Raised> {
  return { organizationId, epoch: await raiseAccessEpoch(tx, organizationId) };
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

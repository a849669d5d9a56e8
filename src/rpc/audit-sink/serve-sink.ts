import { newId } from "../../ids.ts";
import {
  deleteFailedDelivery,
  findRetry,
  type HeldSink,
  insertFailedDelivery,
  noteFailedRetry,
  releaseSink,
  shortenFailedDelivery,
  wantedEntries,
} from "../../store/audit-deliveries.ts";
import type { AuditEventRow } from "../../store/audit-events.ts";
import type { FailedDeliveryRow } from "../../store/audit-sinks.ts";
import type { App } from "../app.ts";
import { deliver } from "./deliver.ts";

/** At most so many events are delivered at once, */
const maxEvents = 100;
/** of not many more bytes than this, */
const maxBytes = 512 * 1024;
/** out of so many that are looked at. */
const windowSize = 5_000;
/** A delivery is given up after so many attempts, which takes about half an hour. */
const maxAttempts = 12;
const firstDelayMs = 1_000;
const maxDelayMs = 10 * 60_000;

/**
 * Delivers to a sink that is held what is next, once, and lets go of it. After a fault of our own it is held
 * until the lease ends, so that the same is not tried again and again.
 */
export async function serveSink(app: App, sink: HeldSink, signal: AbortSignal): Promise<void> {
  try {
    const retry = await findRetry(app.db, sink.id);
    if (retry !== undefined) await tryAgain(app, sink, retry, signal);
    else await deliverNext(app, sink, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    await releaseSink(app.db, sink);
  }
}

async function deliverNext(app: App, sink: HeldSink, signal: AbortSignal): Promise<void> {
  const { delivered_sequence: after, head } = sink;
  const { events, upTo } = await nextEvents(app, sink, after, head);
  const error = events.length > 0 ? await deliver(app, sink, events, signal) : undefined;
  if (error === undefined) {
    const done = { delivered_sequence: upTo, attempts: 0, last_error: "" };
    await releaseSink(app.db, sink, { ...done, next_attempt_time: new Date() });
  } else if (sink.attempts + 1 < maxAttempts) {
    const attempts = sink.attempts + 1;
    const next = new Date(Date.now() + delayMs(attempts));
    await releaseSink(app.db, sink, { attempts, last_error: error, next_attempt_time: next });
  } else {
    await giveUp(app, sink, { first: after + 1, last: upTo, error });
  }
}

/** What the sink wants of what is next, and how far that goes. */
async function nextEvents(
  app: App,
  sink: HeldSink,
  after: number,
  last: number,
): Promise<{ events: AuditEventRow[]; upTo: number }> {
  const window = Math.min(last, after + windowSize);
  const rows = await wantedEntries(app.db, sink, { after, upTo: window, limit: maxEvents });
  const events = withinBytes(rows);
  const isCut = rows.length === maxEvents || events.length < rows.length;
  return { events, upTo: isCut ? (events.at(-1)?.sequence ?? window) : window };
}

function withinBytes(rows: AuditEventRow[]): AuditEventRow[] {
  let bytes = 0;
  const over = rows.findIndex(({ entry }) => {
    bytes += entry.length;
    return bytes > maxBytes;
  });
  return over < 0 ? rows : rows.slice(0, Math.max(1, over));
}

/** Twice as long each time, and never the same for sinks that fail together. */
function delayMs(attempts: number): number {
  return Math.min(maxDelayMs, firstDelayMs * 2 ** (attempts - 1)) * (0.5 + Math.random() / 2);
}

/** Puts a delivery aside, so that the sink goes on with what follows. */
async function giveUp(
  app: App,
  sink: HeldSink,
  { first, last, error }: { first: number; last: number; error: string },
): Promise<void> {
  const attempts = sink.attempts + 1;
  await app.db.transaction().execute(async (tx) => {
    const done = { delivered_sequence: last, attempts: 0, last_error: error };
    if (!(await releaseSink(tx, sink, { ...done, next_attempt_time: new Date() }))) return;
    await insertFailedDelivery(tx, {
      id: newId("dlv"),
      organization_id: sink.organization_id,
      sink_id: sink.id,
      first_sequence: first,
      last_sequence: last,
      attempts,
      last_error: error,
      retry_time: null,
    });
  });
  const { id: sinkId } = sink;
  app.log.warn({ sinkId, first, last, attempts, error }, "audit events not delivered");
}

async function tryAgain(
  app: App,
  sink: HeldSink,
  failed: FailedDeliveryRow,
  signal: AbortSignal,
): Promise<void> {
  const { first_sequence: first, last_sequence: last } = failed;
  // The sink may want more by now than it wanted then.
  const { events, upTo } = await nextEvents(app, sink, first - 1, last);
  const error = events.length > 0 ? await deliver(app, sink, events, signal) : undefined;
  await app.db.transaction().execute(async (tx) => {
    if (!(await releaseSink(tx, sink))) return;
    if (error !== undefined) await noteFailedRetry(tx, failed.id, error);
    else if (upTo < last) await shortenFailedDelivery(tx, failed.id, upTo + 1);
    else await deleteFailedDelivery(tx, failed.id);
  });
}

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import {
  AuditService,
  type TailAuditEventsRequestSchema,
} from "../../gen/pdaas/v1/audit_service_pb.ts";

/** A stream of the audit log, read in the background. */
export class Tail implements AsyncDisposable {
  /** The actions of the events that came. */
  readonly actions: string[] = [];
  /** The identifier of each. */
  readonly ids: string[] = [];
  /** The sequence number of each. */
  readonly sequences: number[] = [];
  /** How many messages came, signs of life among them. */
  messages = 0;
  /** Where to go on. */
  position: bigint | undefined;
  /** Rejects with what has ended it; a stream never ends by itself. */
  readonly ended: Promise<never>;
  readonly #controller = new AbortController();

  constructor(
    made: Transport,
    request: MessageInitShape<typeof TailAuditEventsRequestSchema> = {},
  ) {
    this.ended = this.#read(made, request);
    this.ended.catch(() => {});
  }

  /** Ends it, as its caller. */
  async leave(): Promise<void> {
    this.#controller.abort();
    await this.ended.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.leave();
  }

  async #read(
    made: Transport,
    request: MessageInitShape<typeof TailAuditEventsRequestSchema>,
  ): Promise<never> {
    const { signal } = this.#controller;
    const stream = createClient(AuditService, made).tailAuditEvents(request, { signal });
    for await (const { auditEvent, sequence } of stream) {
      this.messages++;
      this.position = sequence;
      if (auditEvent === undefined) continue;
      this.actions.push(auditEvent.action);
      this.ids.push(auditEvent.id);
      this.sequences.push(Number(sequence));
    }
    throw new Error("the stream ended by itself");
  }
}

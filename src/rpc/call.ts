import type { AuditedCall } from "../audit/entry.ts";
import type { FieldChange } from "../audit/field-changes.ts";
import type { Credential } from "../auth/credentials.ts";
import type { RequestHead } from "../auth/request-head.ts";
import type { SignedHead } from "../auth/signature.ts";
import type { Method } from "../contract.ts";
import { cancelled, deadlineExceeded, type ServiceError } from "../errors.ts";
import type { Authentication, Circumstances } from "../iam/authorize.ts";
import type { Decision } from "../iam/policy-slice.ts";
import type { Principal } from "../iam/principal.ts";
import { newRequestId, withoutSecrets } from "../ids.ts";

/** Whether a caller is still waiting; how that is known differs between servers. */
export interface Liveness {
  readonly cancelled: boolean;
  /** Unix milliseconds; Infinity without a deadline. */
  readonly deadline: number;
}

/** Whose call it is, for the audit log, when the call itself has no principal yet. */
export interface Actor {
  organizationId: string;
  principal: Principal | undefined;
  apiKeyId?: string | undefined;
}

/** What is known of a caller that was not authenticated. */
export interface Claimant {
  readonly organizationId: string;
  /** The key that a signature names, `key_…`. */
  readonly apiKeyId?: string;
  /** Only when it was proven, and refused all the same. */
  readonly principal?: Principal;
}

export interface CallOptions {
  method: Method;
  head: RequestHead;
  address: string;
  liveness: Liveness;
}

/** What a request names, which nobody has looked at yet, as far as it gets into the audit log. */
export function recordable(id: string): string {
  return withoutSecrets(id).slice(0, 100);
}

/** One call, as both servers hand it to the interceptors and these to the handler. */
export class Call implements Circumstances {
  readonly method: Method;
  readonly head: RequestHead;
  /** The address that the call comes from; empty when it is not known. */
  readonly address: string;
  /** High-resolution start, in milliseconds. */
  readonly startTime = performance.now();

  /** The signature that the call carries, once it was read. */
  signed: SignedHead | undefined;
  /** Whom the credentials name, proven or not, for the audit log of a refused call. */
  claimant: Claimant | undefined;
  /** The key that has signed the call, once that is proven and the key is honoured. */
  credential: Credential | undefined;
  /** What the call is about, for the audit log; empty when it is not known. */
  resourceId = "";
  /** The account that this is in, for the audit log; empty when it is not known. */
  accountId = "";
  /** What the call changes, for the audit log. */
  changes: readonly FieldChange[] = [];
  /** What policies have said to the call, for the audit log. */
  decision: Decision | undefined;
  /** What policies judge the call by, as its request names it; empty for the organization. */
  judgedId = "";

  readonly #liveness: Liveness;
  #principal: Principal | undefined;
  #requestId: string | undefined;
  #abortion: AbortController | undefined;

  constructor(options: CallOptions) {
    this.method = options.method;
    this.head = options.head;
    this.address = options.address;
    this.#liveness = options.liveness;
  }

  /**
   * Answered in the header `x-request-id`, in every error and in the audit log. Most reads need none,
   * so it is made up when it is first asked for.
   */
  get requestId(): string {
    this.#requestId ??= newRequestId();
    return this.#requestId;
  }

  /** The authenticated caller; undefined for an anonymous one. */
  get caller(): Principal | undefined {
    return this.#principal;
  }

  /** The authenticated caller of an RPC that has one. */
  get principal(): Principal {
    if (this.#principal === undefined) throw new Error(`${this.method.action} has no principal`);
    return this.#principal;
  }

  authenticated(principal: Principal): void {
    this.#principal = principal;
  }

  get authentication(): Authentication {
    return this.#principal?.apiKeyId ? "signature" : "session";
  }

  get time(): number {
    return Date.now();
  }

  /** What the audit log says of the call. */
  audited(actor: Actor): AuditedCall {
    return {
      ...actor,
      action: this.method.action,
      resourceType: this.method.access.resourceType,
      resourceId: this.resourceId,
      parentId: this.method.resourceField === undefined ? recordable(this.judgedId) : "",
      accountId: this.accountId || recordable(this.#namedAccount),
      requestId: this.requestId,
      traceId: traceIdOf(this.head.header("traceparent")),
      address: this.address,
      userAgent: this.userAgent,
      policyIds: policyIdsOf(this.decision),
    };
  }

  /** The account that the request is about, or names as the place of what it is about. */
  get #namedAccount(): string {
    const { access, judgedBy } = this.method;
    if (access.resourceType === "Account") return this.resourceId;
    return judgedBy?.type === "Account" ? this.judgedId : "";
  }

  get userAgent(): string {
    return withoutSecrets(this.head.header("user-agent") ?? "").slice(0, 256);
  }

  /** Aborted, with what the caller is told, when a stream is to end before its handler ends it. */
  get signal(): AbortSignal {
    this.#abortion ??= new AbortController();
    return this.#abortion.signal;
  }

  /** Ends a stream. Of several reasons, the first counts. */
  abort(reason: ServiceError): void {
    this.#abortion ??= new AbortController();
    this.#abortion.abort(reason);
  }

  /** @throws ServiceError when nobody waits for the answer any more */
  ensureLive(): void {
    this.#abortion?.signal.throwIfAborted();
    if (this.#liveness.cancelled) throw cancelled();
    if (Date.now() >= this.#liveness.deadline) throw deadlineExceeded();
  }
}

/** The trace-id of a well-formed traceparent (W3C Trace Context, level 1); else empty. */
function traceIdOf(traceparent = ""): string {
  const form =
    /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$/;
  const [, traceId = "", more] = form.exec(traceparent) ?? [];
  // Only a later version may say more.
  return traceparent.startsWith("00-") && more !== undefined ? "" : traceId;
}

/** Permissions that were given directly are of no policy. */
function policyIdsOf(decision: Decision | undefined): string[] {
  const ids = decision?.statements.map(({ policyId }) => policyId).filter((id) => id !== "");
  return [...new Set(ids)];
}
